import { type Command } from 'commander';
import { askHidden } from '../../support/ask-hidden.ts';
import { pointToSystemd, type ServiceVerb } from '../../support/by-systemd.ts';
import { EXIT } from '../../support/command-line.ts';
import { standardInput } from '../../support/standard-input.ts';
import type { Terminal } from '../../support/terminal.ts';
import { textOf, UsageError } from '../../support/usage-error.ts';
import type { Native } from '../../support/windows/native.ts';
import type { InstalledService } from '../windows/service-manager.ts';
import { CONFIG_FLAG } from './config-command.ts';
import type { InstallFlags } from './service-install.ts';

const SERVICE_NAME = 'passback';

const NOTES = `
Examples, in a PowerShell that was opened with “Run as administrator”:
  passback service install --config C:\\ProgramData\\Passback\\passback.yaml
  passback service status
  passback service uninstall

install may be run again at any time: it renews what is there, which keeps the configuration file and the
account that are not given. A new service gets C:\\ProgramData\\Passback\\passback.yaml and its own virtual
account, NT SERVICE\\passback, which has no password and no right but those it is given.
Start and stop it as any other service: Start-Service passback, Stop-Service passback.
On Linux the package brings a unit for systemd, and these commands say which of systemctl's does the
same, and end with 1.`;

const INSTALL_EXAMPLES = `
Examples:
  passback service install --config C:\\ProgramData\\Passback\\passback.yaml
  passback service install --config C:\\ProgramData\\Passback\\passback.yaml --account CORP\\svc-agent$`;

const UNINSTALL_EXAMPLE = `
Example:
  passback service uninstall`;

const STATUS_EXAMPLES = `
Examples:
  passback service status
  passback service status --json

On Linux, where systemd has the services, --json prints { "name", "supported": false, "instead" }.`;

interface NameFlags {
  readonly name: string;
  readonly json?: true;
}

/** Adds `service install | uninstall | status`. */
export function addServiceCommand(program: Command, terminal: Terminal): void {
  const service = program
    .command('service')
    .description('make the agent a service of Windows, or none')
    .addHelpText('after', NOTES);
  const named = (command: Command): Command =>
    command
      .option('--name <name>', 'of the service', SERVICE_NAME)
      .option('--json', 'print the result as JSON');
  named(service.command('install'))
    .description('create the service, or renew its settings')
    .option(CONFIG_FLAG, 'that the service runs with (default: the one that it has)')
    .option('--account <name>', 'whom it runs as (default: NT SERVICE and its own name)')
    .option('--account-password-file <file>', 'password of that account; - reads standard input')
    .addHelpText('after', INSTALL_EXAMPLES)
    .action((flags: InstallFlags & NameFlags & PasswordFlags) => install(flags, terminal));
  named(service.command('uninstall'))
    .description('stop and remove the service; configuration and state stay')
    .addHelpText('after', UNINSTALL_EXAMPLE)
    .action((flags: NameFlags) => uninstall(flags, terminal));
  named(service.command('status'))
    .description('say whether it is there and runs; ends with 0 when it runs, else with 1')
    .addHelpText('after', STATUS_EXAMPLES)
    .action((flags: NameFlags) => status(flags, terminal));
}

interface PasswordFlags {
  readonly accountPasswordFile?: string;
}

async function install(
  given: InstallFlags & NameFlags & PasswordFlags,
  terminal: Terminal,
): Promise<void> {
  const native = await windows('install', given, terminal);
  if (native === undefined) return;
  const { installService } = await import('./service-install.ts');
  const done = await installService(native, {
    flags: given,
    env: terminal.env,
    password: (account) => accountPassword(account, given),
  });
  sayDone(terminal, given, done);
}

async function accountPassword(
  account: string,
  { accountPasswordFile: file }: PasswordFlags,
): Promise<string> {
  const text =
    file === undefined && process.stdin.isTTY
      ? await askHidden(process.stdin, process.stderr, `Password of ${account}: `)
      : file === undefined || file === '-'
        ? await standardInput()
        : await textOf(file, '--account-password-file');
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line !== '') return line;
  throw new UsageError(`${account} needs its password: give --account-password-file, or type it`);
}

async function uninstall(flags: NameFlags, terminal: Terminal): Promise<void> {
  const native = await windows('uninstall', flags, terminal);
  if (native === undefined) return;
  const { uninstallService } = await import('./service-install.ts');
  sayDone(terminal, flags, await uninstallService(native, flags.name));
}

async function status(flags: NameFlags, terminal: Terminal): Promise<void> {
  const { name, json } = flags;
  const native = await windows('status', flags, terminal);
  if (native === undefined) return;
  const { findService } = await import('../windows/service-manager.ts');
  const found = findService(native, name);
  if (found?.state !== 'running') terminal.setExitCode(EXIT.failed);
  terminal.print(
    json === true
      ? JSON.stringify({ name, installed: found !== undefined, ...found })
      : statusText(name, found),
  );
}

/** ERROR_SERVICE_NEVER_STARTED: not since Windows itself has started. */
const NEVER_STARTED = 1077;

function endedWith(exitCode: number): string {
  return exitCode === EXIT.config
    ? ', because its configuration has to be corrected: passback config check'
    : `, after ending with ${exitCode}: see its log and the Event Log`;
}

function statusText(name: string, found: InstalledService | undefined): string {
  if (found === undefined) {
    return `There is no service ${name}: passback service install --config FILE makes it.`;
  }
  const { state, pid, exitCode, account, commandLine, startsByItself } = found;
  const running = state === 'running' ? `, pid ${pid}` : '';
  const ended = exitCode === 0 || exitCode === NEVER_STARTED ? '' : endedWith(exitCode);
  return [
    `Service:   ${name} is ${state}${running}${ended}`,
    `Starts:    ${startsByItself ? 'by itself, soon after Windows' : 'only when somebody starts it'}`,
    `Account:   ${account}`,
    `Runs:      ${commandLine}`,
  ].join('\n');
}

/** Loaded here and not before: no other command speaks to Windows. Undefined elsewhere, where it has been said. */
async function windows(
  verb: ServiceVerb,
  { json }: NameFlags,
  terminal: Terminal,
): Promise<Native | undefined> {
  if (process.platform !== 'win32') {
    pointToSystemd(terminal, { program: 'passback', verb, json: json === true });
    return undefined;
  }
  const { loadNative } = await import('../../support/windows/native.ts');
  return loadNative();
}

/** What was done, line by line, or for programs. */
function sayDone(terminal: Terminal, { name, json }: NameFlags, done: readonly string[]): void {
  terminal.print(json === true ? JSON.stringify({ name, done }) : done.join('\n'));
}
