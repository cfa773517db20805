import { Command, CommanderError } from 'commander';
import { ConfigError } from './config-error.ts';
import { isFault } from './errors.ts';
import type { Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';

/** What a process ends with; documented, because service managers and scripts act on it. */
export const EXIT = {
  /** Did what was asked, or stopped after finishing what had begun. */
  ok: 0,
  /** Failed, or stopped with work dropped; a restart may help. */
  failed: 1,
  /** Something has to be corrected first, as a rule the configuration (EX_CONFIG of sysexits.h); a restart does not help. */
  config: 78,
} as const;

export interface CommandLineTexts {
  readonly name: string;
  readonly description: string;
  /** Printed below the help. */
  readonly notes: string;
}

/** A program that prints to the terminal and never ends the process; its commands are still to be added. */
export function createCommandLine(
  { name, description, notes }: CommandLineTexts,
  terminal: Terminal,
): Command {
  return new Command(name)
    .description(description)
    .version(packageVersion(), '-V, --version')
    .addHelpText('after', notes)
    .showHelpAfterError('(add --help for the options)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        terminal.print(text.trimEnd());
      },
      writeErr: (text) => {
        terminal.complain(text.trimEnd());
      },
    });
}

/** A full disk, a closed door: nothing of ours is broken, so nobody needs to see where it happened. */
function isRefusedBySystem(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'errno' in error;
}

/** What a daemon ends with: whether whoever started it should try again. */
export function exitCodeOf(error: unknown): number {
  return isFault(error) && !error.retryable ? EXIT.config : EXIT.failed;
}

/** Says what ended a command line, and answers the exit code for it. Throws what is a bug. */
export function reportEnd(error: unknown, terminal: Terminal): number {
  // commander has said it; asking for help or the version is no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.failed;
  if (error instanceof ConfigError) {
    const count = error.problems.length;
    terminal.complain(`The configuration has ${count} problem${count === 1 ? '' : 's'}:`);
    for (const { key, problem } of error.problems) terminal.complain(`  ${key}: ${problem}`);
    return EXIT.config;
  }
  if (!isFault(error) && !isRefusedBySystem(error)) throw error;
  terminal.complain(error.message);
  return EXIT.failed;
}
