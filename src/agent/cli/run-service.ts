import { join } from 'node:path';
import { reportEnd } from '../../support/command-line.ts';
import { stopSignals } from '../../support/stop-signals.ts';
import type { Terminal } from '../../support/terminal.ts';
import { eventLogStream } from '../../support/windows/event-log-stream.ts';
import { openEventSource, type EventSource } from '../../support/windows/event-source.ts';
import { toEventEntry } from '../../support/windows/event-entry.ts';
import { loadNative } from '../../support/windows/native.ts';
import { startServiceHost } from '../windows/service-host.ts';
import { ownWatchdog } from '../windows/own-watchdog.ts';
import type { Around } from './run-command.ts';

/** Windows has nobody who rotates log files. */
const LOG_FILE = 'agent.log';
const LOG_ROTATION = { bytes: 10_000_000, files: 5 };

export interface InService extends Around {
  readonly terminal: Terminal;
}

/**
 * Runs the agent as the service that the service control manager has started. What stops it before it
 * has a log goes to the Event Log; the manager hears of its start, its drain, and the code it ends with.
 */
export async function runAsService(
  service: string,
  terminal: Terminal,
  run: (around: InService) => Promise<void>,
): Promise<void> {
  const host = await startServiceHost(service);
  const source = openEventSource(await loadNative());
  const end = { exitCode: 0, hasLog: false, complaints: [] as string[] };
  const inService: Terminal = {
    ...terminal,
    complain: (text) => {
      end.complaints.push(text);
      terminal.complain(text);
    },
    setExitCode: (code) => {
      end.exitCode = code;
      terminal.setExitCode(code);
    },
    stopSignals: (drainMs) => stopSignals(host.signals, drainMs),
  };
  try {
    await run({
      terminal: inService,
      logging: ({ logging, stateFolder }) => {
        end.hasLog = true;
        const also = eventLogStream(source);
        if (logging.file !== undefined) return { ...logging, also };
        return { ...logging, also, file: join(stateFolder, LOG_FILE), rotate: LOG_ROTATION };
      },
      serviceManager: ownWatchdog(({ phase }) => {
        host.beat();
        if (phase === 'ready') host.started();
      }, crash),
    });
  } catch (error) {
    inService.setExitCode(reportEnd(error, inService));
  } finally {
    if (!end.hasLog && end.exitCode !== 0) reportFailure(source, end.complaints);
    source.close();
    await host.ended(end.exitCode);
  }
}

/** Ends the process as a bug does: logged, and without STOPPED, so that the recovery actions start it again. */
function crash(status: string): void {
  setImmediate(() => {
    throw new Error(`the agent does not get on and ends, to be started again: ${status}`);
  });
}

function reportFailure(source: EventSource, complaints: readonly string[]): void {
  const entry = toEventEntry('error', 'agent.failed', { error: complaints.join('\r\n') });
  if (entry !== undefined) source.report(entry);
}
