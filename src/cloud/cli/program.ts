import { Command, CommanderError } from 'commander';
import { CODES } from '../../protocol/codes.ts';
import { isFault } from '../../support/errors.ts';
import { FolderError } from '../../support/files.ts';
import { nodeDebugProblem } from '../../support/node-debug.ts';
import { packageVersion } from '../../support/version.ts';
import { ConfigError } from '../config/config-error.ts';
import { KeyFolderError } from '../keys/key-folder-error.ts';
import { ApiError } from './api-client.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { addKeyCommand } from './key-command.ts';
import { addKeysCommand } from './keys-command.ts';
import { addOperateCommand } from './operate-command.ts';
import { addRemoteCommands } from './remote-commands.ts';
import { addServeCommand } from './serve-command.ts';
import { addSetupCommands } from './setup-commands.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

const DESCRIPTION =
  'The reset service of Passback: hands password resets and unlocks to agents, and never sees a password.';

const NOTES = `
First steps:
  passback-cloud init --url https://reset.example.com --data /var/lib/passback-cloud
  passback-cloud directory add corp --data /var/lib/passback-cloud
  passback-cloud key add --directory corp --scopes admin,status --actor anna --out ./admin.key --data /var/lib/passback-cloud
  passback-cloud serve --data /var/lib/passback-cloud
  passback-cloud token --url https://reset.example.com --key-file ./admin.key --directory corp --out ./token

Exit codes: 0 done, 1 failed, 2 refused, 3 not known (yet), 78 configuration or keys have to be corrected.`;

/**
 * Runs one command line. Resolves when it is done; what went wrong was said on standard error and
 * is in the exit code. Rejects for bugs only.
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<void> {
  try {
    // The API key goes into a header of every request.
    const debug = nodeDebugProblem(terminal.env.NODE_DEBUG);
    if (debug !== undefined) throw new UsageError(debug);
    await createProgram(terminal).parseAsync([...args], { from: 'user' });
  } catch (error) {
    terminal.setExitCode(report(error, terminal));
  }
}

function createProgram(terminal: Terminal): Command {
  const program = new Command('passback-cloud')
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
  addSetupCommands(program, terminal);
  addKeysCommand(program, terminal);
  addKeyCommand(program, terminal);
  addServeCommand(program, terminal);
  addRemoteCommands(program, terminal);
  addOperateCommand(program, terminal);
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
  if (error instanceof KeyFolderError || error instanceof FolderError) return EXIT.config;
  // What an agent refuses is an answer, too: nothing was changed.
  return error instanceof ApiError && isRefusal(error) ? EXIT.refused : EXIT.failed;
}

/** Said instead of an operation's outcome: by the agents' codes, or because of what was handed in. */
function isRefusal({ code, status }: ApiError): boolean {
  return status === 422 || Object.hasOwn(CODES, code);
}
