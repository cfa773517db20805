import type { Command } from 'commander';
import { systemClock, type Clock } from '../../support/clock.ts';
import { closeInTime } from '../../support/close-in-time.ts';
import { exitCodeOf } from '../../support/command-line.ts';
import { failureOf, isFault } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { onAbort } from '../../support/on-abort.ts';
import { keepTold, type ServiceManager } from '../../support/service-manager.ts';
import { openSystemd } from '../../support/systemd.ts';
import { winstonLogger } from '../../support/winston-logger.ts';
import { startCloud, type RunningCloud } from '../server.ts';
import { EXIT } from './exit-codes.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  DATA_FLAG,
  DATA_HELP,
  readConfig,
  type PlaceFlags,
} from './setup-commands.ts';
import type { Terminal } from './terminal.ts';

const NOTES = `
Example:
  passback-cloud serve --data /var/lib/passback-cloud

The first SIGTERM or Ctrl-C lets commands under way end (drainMs), a second one ends at once.
Ends with 0 after a drain, 1 when something failed, 78 when configuration or keys have to be
corrected first.`;

const CLOSE_GRACE_MS = 10_000;

/** Adds `serve`. */
export function addServeCommand(program: Command, terminal: Terminal): void {
  program
    .command('serve')
    .description('run the reset service until it is told to stop')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .addHelpText('after', NOTES)
    .action((flags: PlaceFlags) => serve(flags, terminal));
}

async function serve(flags: PlaceFlags, terminal: Terminal): Promise<void> {
  const config = await readConfig(flags, terminal);
  const log = winstonLogger(config.logging);
  const crash = (error: unknown): void => {
    log.error('cloud.failed', failureOf(error));
    terminal.setExitCode(EXIT.failed);
    // Operations under way are in the database and go on after the restart.
    void closeInTime(log, systemClock).then(() => process.exit(EXIT.failed));
  };
  process.on('uncaughtException', crash);
  const stop = terminal.stopSignals(config.drainMs + CLOSE_GRACE_MS);
  const ended = new AbortController();
  try {
    const manager = await openSystemd(terminal.env);
    const cloud = await startCloud(config, { clock: systemClock, log });
    if (manager !== undefined) {
      void keepTold(toTell(manager, cloud, { clock: systemClock, log }), stop.drain, ended.signal);
    }
    await aborted(stop.drain);
    await Promise.race([cloud.close(), aborted(stop.abort)]);
    if (stop.abort.aborted) terminal.setExitCode(EXIT.failed);
  } catch (error) {
    log.error('cloud.failed', failureOf(error));
    if (!isFault(error)) throw error;
    terminal.complain(error.message);
    terminal.setExitCode(exitCodeOf(error));
  } finally {
    ended.abort();
    process.off('uncaughtException', crash);
    await log.close();
    // Whatever keeps the process up after an abort is what was to be dropped.
    if (stop.abort.aborted) process.exit(EXIT.failed);
  }
}

/** What a service manager hears of the service: what hangs in it is logged, too, before it is ended for that. */
export function toTell(
  manager: ServiceManager,
  cloud: Pick<RunningCloud, 'status' | 'stuck'>,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Parameters<typeof keepTold>[0] {
  return {
    ...{ manager, clock },
    status: () => cloud.status(),
    stuck: () => cloud.stuck,
    onStuck: (stuck) => {
      log.error('cloud.stuck', { stuck });
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}
