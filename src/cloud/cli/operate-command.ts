import type { Command } from 'commander';
import type { z } from 'zod';
import { Op, type OperationOptions } from '../../protocol/command.ts';
import { SealingError, type SecretContent } from '../../protocol/sealing.ts';
import { vouchedKeys } from '../../protocol/recipients.ts';
import { textOf, UsageError } from '../../support/usage-error.ts';
import { OperationView, PreparedOperation } from '../api/bodies.ts';
import { ApiClient, type ApiFlags } from './api-client.ts';
import { fingerprintText, wholeNumber, withApiFlags } from './api-flags.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { sealPrepared } from './seal-prepared.ts';
import type { Terminal } from './terminal.ts';

interface Flags extends ApiFlags {
  readonly account: string;
  readonly passwordFile?: string;
  readonly oldPasswordFile?: string;
  readonly mustChange?: true;
  /** `--no-unlock` makes it false. */
  readonly unlock: boolean;
  readonly wait: string;
  readonly fingerprint?: readonly string[];
  readonly json?: true;
}

type Prepared = z.infer<typeof PreparedOperation>;
type View = z.infer<typeof OperationView>;

const NOTES = `
The new password comes from --password-file (its first line; - reads standard input), or is asked
for twice without being shown. It is sealed to the agents here: the service never sees it.

Examples:
  passback-cloud operate reset --account anna@corp.example.com --directory corp \\
    --url https://reset.example.com --key-file ./admin.key
  passback-cloud operate unlock --account CORP\\\\anna --directory corp … (the same options)

Exit codes: 0 applied, 2 refused or failed, 3 not known (yet), 1 the service did not do it.`;

/** Adds `operate`. */
export function addOperateCommand(program: Command, terminal: Terminal): void {
  withApiFlags(program.command('operate'))
    .description('reset, change or unlock one account through the API')
    .argument('<operation>', Op.options.join(', '))
    .requiredOption('--account <name>', 'user principal name, DOMAIN\\user or logon name')
    .option('--password-file <file>', 'file with the new password')
    .option('--old-password-file <file>', 'file with the old password, for change')
    .option('--must-change', 'reset: must be changed at the next logon')
    .option('--no-unlock', 'reset: leave a locked account locked')
    .option(
      '--fingerprint <fingerprint...>',
      'of every agent, as `passback enroll` printed it: nothing is sealed to any other key',
      (text: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        fingerprintText(text),
      ],
    )
    .option(
      '--wait <seconds>',
      'how long to wait for the outcome, up to 60',
      wholeNumber(0, 60),
      '60',
    )
    .addHelpText('after', NOTES)
    .action(async (operation: string, flags: Flags) => {
      const op = Op.safeParse(operation);
      if (!op.success)
        throw new UsageError(
          `operate: expected one of ${Op.options.join(', ')}; found ${JSON.stringify(operation)}`,
        );
      await operate(op.data, flags, terminal);
    });
}

async function operate(op: z.infer<typeof Op>, flags: Flags, terminal: Terminal): Promise<void> {
  const client = await ApiClient.open(flags);
  const prepared = await prepare(client, op, flags);
  const secret = op === 'unlock' ? undefined : await readSecret(op, flags, terminal);
  const body =
    secret === undefined ? {} : { secret: await sealFor(client, prepared, secret, flags) };
  const view = await client.call('PUT', `operations/${prepared.operation}`, OperationView, {
    body,
    prefer: `wait=${flags.wait}`,
  });
  terminal.print(flags.json === true ? JSON.stringify(view) : inWords(view, flags));
  terminal.setExitCode(exitCodeOf(view));
}

function prepare(client: ApiClient, op: z.infer<typeof Op>, flags: Flags): Promise<Prepared> {
  const options: Partial<OperationOptions> = {
    ...(flags.mustChange === true && { mustChange: true }),
    ...(!flags.unlock && { unlock: false }),
  };
  return client.call('POST', 'prepare', PreparedOperation, {
    body: { account: { name: flags.account }, op, options },
  });
}

async function readSecret(
  op: 'reset' | 'change',
  flags: Flags,
  terminal: Terminal,
): Promise<SecretContent> {
  const oldPassword =
    op === 'change'
      ? await readPassword('--old-password-file', flags.oldPasswordFile, terminal)
      : undefined;
  const password = await readPassword('--password-file', flags.passwordFile, terminal);
  return oldPassword === undefined ? { password } : { password, oldPassword };
}

const ASKED_FOR = {
  '--password-file': 'New password',
  '--old-password-file': 'Old password',
} as const;

async function readPassword(
  flag: keyof typeof ASKED_FOR,
  file: string | undefined,
  terminal: Terminal,
): Promise<string> {
  const asked = ASKED_FOR[flag];
  if (file === undefined && terminal.isInteractive) {
    const typed = await terminal.askHidden(`${asked}: `);
    if (flag === '--password-file') await askAgain(typed, terminal);
    return typed;
  }
  const text =
    file === undefined || file === '-' ? await terminal.readInput() : await textOf(file, flag);
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line !== '') return line;
  throw new UsageError(`${asked}: nothing on the first line of ${file ?? 'standard input'}`);
}

/** Nobody sees what is typed: a slip would lock the person out of the account. */
async function askAgain(typed: string, terminal: Terminal): Promise<void> {
  if ((await terminal.askHidden('The same again: ')) === typed) return;
  throw new UsageError('New password: the two differ; nothing was sent, try again');
}

async function sealFor(
  client: ApiClient,
  prepared: Prepared,
  content: SecretContent,
  { fingerprint }: Flags,
): ReturnType<typeof sealPrepared> {
  try {
    await vouchedKeys(prepared.recipients, fingerprint);
    return await sealPrepared(client.directory, prepared, content);
  } catch (error) {
    if (error instanceof SealingError) throw new UsageError(error.message);
    throw error;
  }
}

function inWords(view: View, { account }: Flags): string {
  const { op, status, outcome } = view;
  const place = outcome?.controller === undefined ? '' : ` on ${outcome.controller}`;
  switch (status) {
    case 'applied':
      return `Done: ${op} of ${account} is applied${place}.`;
    case 'refused':
    case 'failed':
      return refusalInWords(view);
    case 'unknown':
      return `Not known: the ${op} of ${account} was sent and its result not heard. Try the new password first.`;
    case 'expired':
      return `Expired: no agent took the ${op} of ${account} in time; nothing was changed.`;
    case 'prepared':
    case 'pending':
      return `Pending: no outcome yet of operation ${view.operation}; it ends by ${view.notAfter}.`;
  }
}

function refusalInWords({ status, code, meaning = '', outcome, action = '' }: View): string {
  const rules = (outcome?.rules ?? []).map(({ rule, confidence, minimumLength, worksFrom }) => {
    const least = minimumLength === undefined ? '' : `: at least ${minimumLength} characters`;
    const from = worksFrom === undefined ? '' : `: works from ${worksFrom}`;
    return `  rule: ${rule} (${confidence})${least}${from}`;
  });
  const verb = status === 'refused' ? 'Refused' : 'Failed';
  const what = `${verb}: ${code ?? ''}. ${outcome?.message ?? meaning}`;
  return [what, ...rules, `What to do: ${action}`].join('\n');
}

function exitCodeOf({ status }: View): ExitCode {
  switch (status) {
    case 'applied':
      return EXIT.ok;
    case 'refused':
    case 'failed':
    case 'expired':
      return EXIT.refused;
    case 'unknown':
    case 'pending':
    case 'prepared':
      return EXIT.unknown;
  }
}
