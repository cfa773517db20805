import type { Command } from 'commander';
import { systemClock } from '../../support/clock.ts';
import { failureOf } from '../../support/errors.ts';
import { onAbort } from '../../support/on-abort.ts';
import { winstonLogger } from '../../support/winston-logger.ts';
import { startCloud } from '../server.ts';
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
    void log.close().then(() => process.exit(EXIT.failed));
  };
  process.on('uncaughtException', crash);
  const stop = terminal.stopSignals(config.drainMs + CLOSE_GRACE_MS);
  try {
    const cloud = await startCloud(config, { clock: systemClock, log });
    await aborted(stop.drain);
    await Promise.race([cloud.close(), aborted(stop.abort)]);
    if (stop.abort.aborted) terminal.setExitCode(EXIT.failed);
  } catch (error) {
    log.error('cloud.failed', failureOf(error));
    throw error;
  } finally {
    process.off('uncaughtException', crash);
    await log.close();
    // Whatever keeps the process up after an abort is what was to be dropped.
    if (stop.abort.aborted) process.exit(EXIT.failed);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}
