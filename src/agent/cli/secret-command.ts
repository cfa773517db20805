import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { askHidden } from '../../support/ask-hidden.ts';
import { protectedSecretFile } from '../../support/secret-file.ts';
import { standardInput } from '../../support/standard-input.ts';
import type { Terminal } from '../../support/terminal.ts';
import { UsageError } from '../../support/usage-error.ts';
import type { ProtectionScope } from '../../support/windows/data-protection.ts';

const NOTES = `
Examples:
  passback secret protect --out C:\\ProgramData\\Passback\\directory.secret
  Get-Content password.txt | passback secret protect --out C:\\ProgramData\\Passback\\directory.secret

Asks for the secret, or reads one line of standard input; it is never an argument. The file can stand
wherever the configuration names a file with a secret. Who can open it:
  --scope machine   every program of this machine that can read the file, which its access list keeps
                    to the service, administrators and the system. A copy of the file, or of the disk
                    without the machine's own keys, gives nothing. For a service with an account of its own.
  --scope user      only the account that runs this command, on this machine: run it as the account of
                    the service. An administrator has to take that account over first.`;

interface ProtectFlags {
  readonly out: string;
  readonly scope: ProtectionScope;
  readonly service: string;
  readonly account?: string;
}

/** Adds `secret protect`. */
export function addSecretCommand(program: Command, terminal: Terminal): void {
  program
    .command('secret')
    .description('keep a secret so that only this machine can open it (Windows)')
    .command('protect')
    .description('ask for a secret and write it to a file, protected by Windows (DPAPI)')
    .requiredOption('--out <file>', 'the file to write; one that is there is replaced')
    .addOption(
      new Option('--scope <who>', 'who can open it')
        .choices(['machine', 'user'])
        .default('machine'),
    )
    .option('--service <name>', 'of the service that is to read it', 'passback')
    .option('--account <name>', 'whom that service runs as (default: NT SERVICE and its name)')
    .addHelpText('after', NOTES)
    .action((flags: ProtectFlags) => protectSecret(flags, terminal));
}

async function protectSecret(flags: ProtectFlags, terminal: Terminal): Promise<void> {
  if (process.platform !== 'win32') {
    throw new UsageError(
      'passback secret protect is for Windows; on Linux systemd keeps secrets: LoadCredentialEncrypted, see service/',
    );
  }
  // Loaded here and not before: no other command speaks to Windows.
  const [{ loadNative }, { protect }, lists, accounts] = await Promise.all([
    import('../../support/windows/native.ts'),
    import('../../support/windows/data-protection.ts'),
    import('../../support/windows/access-list.ts'),
    import('../windows/service-account.ts'),
  ]);
  const { accessList, ADMINISTRATORS, setAccessList, sidOf, SYSTEM } = lists;
  const native = await loadNative();
  const reader =
    flags.scope === 'user'
      ? sidOf(native, userInfo().username)
      : accounts.accountSid(native, accounts.serviceAccount(flags.service, flags.account));
  const plain = Buffer.from(await askSecret(), 'utf8');
  const sealed = protect(native, plain, flags.scope);
  plain.fill(0);
  const list = accessList('file', [
    { who: SYSTEM, access: 'full' },
    { who: ADMINISTRATORS, access: 'full' },
    { who: reader, access: 'read' },
  ]);
  const path = resolve(flags.out);
  await writeClosed(path, protectedSecretFile(flags.scope, sealed), (file) => {
    setAccessList(native, file, list);
  });
  terminal.print(
    flags.scope === 'user'
      ? `${path} can be opened by ${userInfo().username} on this machine only.`
      : `${path} can be opened on this machine only, by the service and by administrators.`,
  );
}

/** The access list is there before the content, and goes with the file when it gets its name. */
async function writeClosed(
  path: string,
  text: string,
  close: (file: string) => void,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, '', { flag: 'wx' });
    close(temporary);
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function askSecret(): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) return firstLine(await standardInput());
  const typed = firstLine(await askHidden(stdin, stderr, 'Secret: '));
  if ((await askHidden(stdin, stderr, 'The same again: ')) === typed) return typed;
  throw new UsageError('the two differ; nothing was written, try again');
}

function firstLine(text: string): string {
  const [line = ''] = text.replace(/^\ufeff/, '').split(/\r?\n/, 1);
  if (line !== '') return line;
  throw new UsageError('there is no secret on the first line: nothing was written');
}
