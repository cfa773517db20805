import type { Command } from 'commander';
import { CODES } from '../../protocol/codes.ts';
import { createCommandLine, reportEnd } from '../../support/command-line.ts';
import { FolderError } from '../../support/files.ts';
import { FolderVersionError } from '../../support/folder-version.ts';
import { addCompletionCommand } from '../../support/completion/completion-command.ts';
import { addVersionCommand } from '../../support/version-command.ts';
import { nodeDebugProblem, tlsVerificationProblem } from '../../support/environment-problems.ts';
import { UsageError } from '../../support/usage-error.ts';
import { KeyFolderError } from '../keys/key-folder-error.ts';
import { StoreError } from '../store/store.ts';
import { ApiError } from './api-client.ts';
import { addBundleCommand } from './bundle-command.ts';
import { addConfigCommand } from './config-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { EXIT } from './exit-codes.ts';
import { addKeyCommand } from './key-command.ts';
import { addKeysCommand } from './keys-command.ts';
import { addOperateCommand } from './operate-command.ts';
import { addRemoteCommands } from './remote-commands.ts';
import { addServeCommand } from './serve-command.ts';
import { addServiceCommand } from './service-command.ts';
import { addSetupCommands } from './setup-commands.ts';
import type { Terminal } from './terminal.ts';

const DESCRIPTION =
  'The reset service of Passback: hands password resets and unlocks to agents, and never sees a password.';

const NOTES = `
First steps:
  passback-cloud init --url https://reset.example.com --data /var/lib/passback-cloud
  passback-cloud directory add corp --data /var/lib/passback-cloud
  passback-cloud key add --directory corp --scopes inspect,reset,change,unlock,status,admin --actor anna --out ./admin.key --data /var/lib/passback-cloud
  passback-cloud serve --data /var/lib/passback-cloud
  passback-cloud token --url https://reset.example.com --key-file ./admin.key --directory corp --out ./token
  passback enroll ... (on the machine of the agent, with the token; prints id and fingerprint)
  passback-cloud agent approve AGENT-ID --fingerprint FINGERPRINT --url https://reset.example.com --key-file ./admin.key --directory corp
  passback run ... (there)
  passback-cloud operate reset --account anna@corp.example.com --url https://reset.example.com --key-file ./admin.key --directory corp

Exit codes: 0 done, 1 failed, 2 refused (\`status\`: not up), 3 not known (yet), 78 configuration or keys have to be corrected.`;

/**
 * Runs one command line. Resolves when it is done; what went wrong was said on standard error and
 * is in the exit code. Rejects for bugs only.
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<void> {
  try {
    // The API key goes into a header of every request.
    const problem =
      nodeDebugProblem(terminal.env.NODE_DEBUG) ?? tlsVerificationProblem(terminal.env);
    if (problem !== undefined) throw new UsageError(problem);
    await createProgram(terminal).parseAsync([...args], { from: 'user' });
  } catch (error) {
    terminal.setExitCode(report(error, terminal));
  }
}

function createProgram(terminal: Terminal): Command {
  const program = createCommandLine(
    { name: 'passback-cloud', description: DESCRIPTION, notes: NOTES },
    terminal,
  );
  addSetupCommands(program, terminal);
  addKeysCommand(program, terminal);
  addKeyCommand(program, terminal);
  addServeCommand(program, terminal);
  addServiceCommand(program, terminal);
  addRemoteCommands(program, terminal);
  addOperateCommand(program, terminal);
  addDoctorCommand(program, terminal);
  addConfigCommand(program, terminal);
  addBundleCommand(program, terminal);
  addVersionCommand(program, terminal);
  addCompletionCommand(program, terminal);
  return program;
}

/** Whether no restart helps, because keys, folders or the version of the program have to be put right. */
function isForAPerson(error: unknown): boolean {
  const kinds = [KeyFolderError, FolderError, FolderVersionError];
  return (
    kinds.some((kind) => error instanceof kind) ||
    (error instanceof StoreError && error.code === 'STORE_NEWER')
  );
}

function report(error: unknown, terminal: Terminal): number {
  const code = reportEnd(error, terminal);
  if (isForAPerson(error)) return EXIT.config;
  // What an agent refuses is an answer, too: nothing was changed.
  return error instanceof ApiError && isRefusal(error) ? EXIT.refused : code;
}

/** Said instead of an operation's outcome: by the agents' codes, or because of what was handed in. */
function isRefusal({ code, status }: ApiError): boolean {
  return status === 422 || Object.hasOwn(CODES, code);
}
