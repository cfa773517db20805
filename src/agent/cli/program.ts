import type { Command } from 'commander';
import { createCommandLine, reportEnd } from '../../support/command-line.ts';
import { addCompletionCommand } from '../../support/completion/completion-command.ts';
import type { Terminal } from '../../support/terminal.ts';
import { addVersionCommand } from '../../support/version-command.ts';
import { addBundleCommand } from './bundle-command.ts';
import { addConfigCommand } from './config-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addEnrollCommand } from './enroll-command.ts';
import { addPauseCommands } from './pause-commands.ts';
import { addRunCommand } from './run-command.ts';
import { addSecretCommand } from './secret-command.ts';
import { addServiceCommand } from './service-command.ts';
import { addStatusCommand } from './status-command.ts';

const DESCRIPTION =
  'The agent of Passback: applies password resets and unlocks from the reset service to Active Directory.';

const NOTES = `
First steps:
  passback config check --config /etc/passback/passback.yaml
  passback doctor --config /etc/passback/passback.yaml --url https://reset.example.com
  passback enroll --url https://reset.example.com --token-file ./token --config /etc/passback/passback.yaml
  passback run --config /etc/passback/passback.yaml
  passback status --config /etc/passback/passback.yaml

Exit codes: 0 done, 1 failed, 78 configuration or state have to be corrected; of status also 3, see its help.`;

/**
 * Runs one command line. Resolves when it is done; what went wrong was said on standard error and
 * is in the exit code. Rejects for bugs only.
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<void> {
  try {
    await createProgram(terminal).parseAsync([...args], { from: 'user' });
  } catch (error) {
    terminal.setExitCode(reportEnd(error, terminal));
  }
}

function createProgram(terminal: Terminal): Command {
  const program = createCommandLine(
    { name: 'passback', description: DESCRIPTION, notes: NOTES },
    terminal,
  );
  addRunCommand(program, terminal);
  addEnrollCommand(program, terminal);
  addDoctorCommand(program, terminal);
  addStatusCommand(program, terminal);
  addPauseCommands(program, terminal);
  addConfigCommand(program, terminal);
  addBundleCommand(program, terminal);
  addServiceCommand(program, terminal);
  addSecretCommand(program, terminal);
  addVersionCommand(program, terminal);
  addCompletionCommand(program, terminal);
  return program;
}
