import { Command, CommanderError } from 'commander';
import { isFault } from '../../support/errors.ts';
import { packageVersion } from '../../support/version.ts';
import { ConfigError } from '../config/config-error.ts';
import { addConfigCommand } from './config-command.ts';
import { addEnrollCommand } from './enroll-command.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { addPauseCommands } from './pause-commands.ts';
import { addRunCommand } from './run-command.ts';
import type { Terminal } from './terminal.ts';

const DESCRIPTION =
  'The agent of Passback: applies password resets and unlocks from the reset service to Active Directory.';

const NOTES = `
First steps:
  passback config check --config /etc/passback/passback.yaml
  passback enroll --url https://reset.example.com --token-file ./token --config /etc/passback/passback.yaml
  passback run --config /etc/passback/passback.yaml

Exit codes: 0 done, 1 failed, 78 the configuration has to be corrected.`;

/**
 * Runs one command line. Resolves when it is done; what went wrong was said on standard error and
 * is in the exit code. Rejects for bugs only.
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<void> {
  try {
    await createProgram(terminal).parseAsync([...args], { from: 'user' });
  } catch (error) {
    terminal.setExitCode(report(error, terminal));
  }
}

function createProgram(terminal: Terminal): Command {
  const program = new Command('passback')
    .description(DESCRIPTION)
    .version(packageVersion(), '-V, --version')
    .addHelpText('after', NOTES)
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
  addRunCommand(program, terminal);
  addEnrollCommand(program, terminal);
  addPauseCommands(program, terminal);
  addConfigCommand(program, terminal);
  program
    .command('version')
    .description('print the version')
    .action(() => {
      terminal.print(packageVersion());
    });
  return program;
}

function report(error: unknown, terminal: Terminal): ExitCode {
  // commander has said it; asking for help or the version is no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.failed;
  if (error instanceof ConfigError) {
    const count = error.problems.length;
    terminal.complain(`The configuration has ${count} problem${count === 1 ? '' : 's'}:`);
    for (const { key, problem } of error.problems) terminal.complain(`  ${key}: ${problem}`);
    return EXIT.config;
  }
  if (!isFault(error)) throw error;
  terminal.complain(error.message);
  return EXIT.failed;
}
