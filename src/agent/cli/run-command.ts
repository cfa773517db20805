import { Option, type Command } from 'commander';
import { systemClock } from '../../support/clock.ts';
import { closeInTime } from '../../support/close-in-time.ts';
import { EXIT, exitCodeOf } from '../../support/command-line.ts';
import { failureOf, messageOf } from '../../support/errors.ts';
import { onAbort } from '../../support/on-abort.ts';
import { nodeDebugProblem, tlsVerificationProblem } from '../../support/environment-problems.ts';
import type { ServiceManager } from '../../support/service-manager.ts';
import { openSystemd } from '../../support/systemd.ts';
import type { Terminal } from '../../support/terminal.ts';
import { UsageError } from '../../support/usage-error.ts';
import {
  winstonLogger,
  type ClosableLogger,
  type LogOptions,
} from '../../support/winston-logger.ts';
import { runAgent } from '../agent.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { CONFIG_FLAG, CONFIG_HELP, readConfig, type ConfigFlags } from './config-command.ts';
import { refuseAsRoot } from './state-owner.ts';

const NOTES = `
Example:
  passback run --config /etc/passback/passback.yaml

The first SIGTERM or Ctrl-C lets commands in flight finish (drainMs), a second one drops them.
Ends with 0 after a drain, with 1 when work was dropped or something failed, with 78 when the
configuration or the state folder have to be corrected first, or are of a newer passback.`;

/** Adds `run`. */
export function addRunCommand(program: Command, terminal: Terminal): void {
  program
    .command('run')
    .description('run the agent until it is told to stop')
    .option(CONFIG_FLAG, CONFIG_HELP)
    // For the service control manager, in the command line that `passback service install` gives it.
    .addOption(new Option('--service <name>').hideHelp())
    .addHelpText('after', NOTES)
    .action(async (flags: ConfigFlags & { readonly service?: string }) => {
      if (flags.service === undefined) {
        await run(flags, terminal);
        return;
      }
      // Only here, so that nothing of Windows is loaded anywhere else.
      const { runAsService } = await import('./run-service.ts');
      await runAsService(flags.service, terminal, (around) => run(flags, around.terminal, around));
    });
}

/** What is different where the agent is a service of Windows. */
export interface Around {
  /** Where log lines go, given what the configuration says. */
  readonly logging: (config: AgentConfig) => LogOptions;
  readonly serviceManager: ServiceManager;
}

async function run(flags: ConfigFlags, terminal: Terminal, around?: Around): Promise<void> {
  const problem =
    nodeDebugProblem(terminal.env.NODE_DEBUG, ['ldapts']) ?? tlsVerificationProblem(terminal.env);
  if (problem !== undefined) throw new UsageError(problem);
  const config = await readConfig(flags, terminal);
  await refuseAsRoot(config.stateFolder);
  const log = winstonLogger(around?.logging(config) ?? config.logging);
  const crashed = onCrash(log, terminal);
  const stop = terminal.stopSignals(config.drainMs);
  const off = onAbort(stop.drain, () => {
    log.info('agent.stopping', { signal: String(stop.drain.reason), drainMs: config.drainMs });
  });
  try {
    const serviceManager = around?.serviceManager ?? (await openSystemd(terminal.env));
    await runAgent(config, stop, { log, clock: systemClock, serviceManager });
    if (stop.abort.aborted) terminal.setExitCode(EXIT.failed);
  } catch (error) {
    log.error('agent.failed', failureOf(error));
    terminal.complain(messageOf(error));
    terminal.setExitCode(exitCodeOf(error));
  } finally {
    off();
    crashed.off();
    await log.close();
  }
}

/** A bug that no promise carried: logged, and the service manager starts the agent again. */
function onCrash(log: ClosableLogger, terminal: Terminal): { off(): void } {
  const listener = (error: unknown): void => {
    log.error('agent.failed', failureOf(error));
    terminal.setExitCode(EXIT.failed);
    // What is half done is in the journal; going on with unknown state would be worse.
    void closeInTime(log, systemClock).then(() => process.exit(EXIT.failed));
  };
  process.on('uncaughtException', listener);
  return {
    off: () => {
      process.off('uncaughtException', listener);
    },
  };
}
