import { basename, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import type { z } from 'zod';
import { ShortText } from '../../protocol/shapes.ts';
import {
  AgentList,
  AgentView,
  AuditView,
  type DisableRequest,
  OperationView,
  StatusView,
  TokenView,
  ToggleAnswer,
  type ToggleRequest,
} from '../api/bodies.ts';
import { MAX_PAUSE_MS } from '../../protocol/command.ts';
import { parseDuration } from '../../support/duration.ts';
import { shellWord } from '../../support/shell-word.ts';
import { ApiClient, ApiError, type ApiFlags } from './api-client.ts';
import { againWith, fingerprintText, idFrom, wholeNumber, withApiFlags } from './api-flags.ts';
import { EXIT } from './exit-codes.ts';
import { writeNewFile } from './new-file.ts';
import { agentLine, agentTable, printable, statusText, type Wanted } from './status-text.ts';
import type { Terminal } from './terminal.ts';

const MAX_PAUSE_DAYS = MAX_PAUSE_MS / (24 * 3600_000);

interface Flags extends ApiFlags {
  readonly json?: true;
}

const API = `--directory corp \\
    --url https://reset.example.com --key-file ./admin.key`;

const TOKEN_EXAMPLE = `
Example:
  passback-cloud token --out ./enroll.token ${API}`;

const LIST_EXAMPLES = `
Examples:
  passback-cloud agent list ${API}
  passback-cloud agent list --all --json ${API}`;

const REVOKE_EXAMPLE = `
Example:
  passback-cloud agent revoke AGENT-ID ${API}`;

const DISABLE_EXAMPLE = `
Example:
  passback-cloud agent disable AGENT-ID --reason "its machine is being moved" ${API}

It gets no command and no secret is sealed to it until \`passback-cloud agent enable\`. It stays up and tries again
every 10 to 15 minutes. For good: \`passback-cloud agent revoke\`.`;

const ENABLE_EXAMPLE = `
Example:
  passback-cloud agent enable AGENT-ID ${API}`;

const RESUME_EXAMPLE = `
Example:
  passback-cloud resume ${API}`;

const APPROVE_EXAMPLE = `
Example:
  passback-cloud agent approve AGENT-ID --fingerprint FINGERPRINT ${API}`;

const PAUSE_EXAMPLE = `
Example:
  passback-cloud pause --reason "domain controllers are being moved" --for 2h ${API}

\`passback-cloud resume\` ends it; with --for (at most 30d) it ends by itself, also at agents that cannot reach
the service then. Ordered again, it has the new reason and the new end. What is being written is finished. A pause that was ordered at an agent's machine is another one.`;

const STATUS_NOTES = `
Examples:
  passback-cloud status ${API}
  passback-cloud status --json ${API}

Connected is: up, outdated (up, and an agent should be updated), degraded (something is wrong), paused,
too-old (an agent is not served before it is updated), cannot-connect (none is connected),
waiting-for-approval, not-configured (no agent yet), service-at-fault (this service is not ready). What
an agent says of itself is at most five minutes old, and news are told at once.

Exit codes: 0 up, 2 anything else of these, 1 the service could not be asked.`;

const CLOSE_EXAMPLE = `
Example:
  passback-cloud operation close 0b9d…-… ${API}`;

const AUDIT_EXAMPLES = `
Examples:
  passback-cloud audit --limit 20 ${API}
  passback-cloud audit --json --before 4711 ${API}`;

/** Adds what works over the API: `token`, `agent`, `pause`, `resume`, `status`, `audit`, `operation`. */
export function addRemoteCommands(program: Command, terminal: Terminal): void {
  addToken(program, terminal);
  addAgent(program, terminal);
  addToggle(program, terminal);
  addStatus(program, terminal);
  addAudit(program, terminal);
  addOperation(program, terminal);
}

const agentId = idFrom('passback-cloud agent list');

function addToken(program: Command, terminal: Terminal): void {
  withApiFlags(program.command('token'))
    .description('make an enrolment token for one agent, good once within an hour')
    .requiredOption('--out <file>', 'new file for the token, readable by you only')
    .addHelpText('after', TOKEN_EXAMPLE)
    .action(async (flags: Flags & { readonly out: string }) => {
      const client = await ApiClient.open(flags);
      const out = resolve(flags.out);
      let expiresAt = '';
      await writeNewFile(out, '--out', async () => {
        const made = await client.call('POST', 'enrollment-tokens', TokenView);
        ({ expiresAt } = made);
        return `${made.token}\n`;
      });
      const words = [
        `Wrote a token to ${out}; it works once, until ${expiresAt}.`,
        `Next, with this file on the agent's machine: passback enroll --url ${shellWord(flags.url)} --token-file ${shellWord(basename(out))} --config /etc/passback/passback.yaml`,
      ];
      say(terminal, flags, { out, expiresAt }, words.join('\n'));
    });
}

function addAgent(program: Command, terminal: Terminal): void {
  const agent = program.command('agent').description('agents of a directory');
  withApiFlags(agent.command('list'))
    .description('list the agents with their fingerprints')
    .option('--all', 'revoked ones, too')
    .addHelpText('after', LIST_EXAMPLES)
    .action(async (flags: Flags & Wanted) => {
      const list = await (await ApiClient.open(flags)).call('GET', 'agents', AgentList);
      say(terminal, flags, list, agentTable(list.agents, flags));
    });
  withApiFlags(agent.command('approve'))
    .description('let a pending agent work; compare the fingerprint on its machine first')
    .argument('<id>', 'the agent', agentId)
    .requiredOption(
      '--fingerprint <fingerprint>',
      'what `passback enroll` printed on the machine',
      fingerprintText,
    )
    .addHelpText('after', APPROVE_EXAMPLE)
    .action(async (id: string, flags: Flags & { readonly fingerprint: string }) => {
      const { fingerprint } = flags;
      const path = `agents/${encodeURIComponent(id)}/approve`;
      const client = await ApiClient.open(flags);
      const approved = await client.call('POST', path, AgentView, { body: { fingerprint } });
      const start = approved.connected
        ? ''
        : 'start it on its machine (passback run --config /etc/passback/passback.yaml), then ';
      const words = [
        `Approved ${agentLine(approved)}`,
        `Next: ${start}try it: passback-cloud operate reset --account NAME ${againWith(flags)}`,
      ];
      say(terminal, flags, approved, words.join('\n'));
    });
  withApiFlags(agent.command('revoke'))
    .description('end an agent for good and close its connection')
    .argument('<id>', 'the agent', agentId)
    .addHelpText('after', REVOKE_EXAMPLE)
    .action(async (id: string, flags: Flags) => {
      const client = await ApiClient.open(flags);
      const revoked = await client.call('DELETE', `agents/${encodeURIComponent(id)}`, AgentView);
      say(terminal, flags, revoked, `Revoked ${agentLine(revoked)}`);
    });
  addDisable(agent, terminal);
}

function addDisable(agent: Command, terminal: Terminal): void {
  const post = async (
    path: readonly [id: string, verb: string],
    flags: Flags,
    options: { readonly body?: z.input<typeof DisableRequest> } = {},
  ): Promise<z.infer<typeof AgentView>> => {
    const [id, verb] = path;
    const client = await ApiClient.open(flags);
    return client.call('POST', `agents/${encodeURIComponent(id)}/${verb}`, AgentView, options);
  };
  withApiFlags(agent.command('disable'))
    .description('keep an agent out until it is enabled, and close its connection')
    .argument('<id>', 'the agent', agentId)
    .option('--reason <text>', 'shown to other admins (default: none)', reasonText)
    .addHelpText('after', DISABLE_EXAMPLE)
    .action(async (id: string, flags: Flags & { readonly reason?: string }) => {
      const { reason = '' } = flags;
      const disabled = await post([id, 'disable'], flags, { body: { reason } });
      const words = [
        `Disabled ${agentLine(disabled)}`,
        `When the reason is gone: passback-cloud agent enable ${id} ${againWith(flags)}`,
      ];
      say(terminal, flags, disabled, words.join('\n'));
    });
  withApiFlags(agent.command('enable'))
    .description('let a disabled agent in again; it needs no new enrolment')
    .argument('<id>', 'the agent', agentId)
    .addHelpText('after', ENABLE_EXAMPLE)
    .action(async (id: string, flags: Flags) => {
      const enabled = await post([id, 'enable'], flags);
      const words = [
        `Enabled ${agentLine(enabled)}`,
        'It comes back by itself within a quarter of an hour, at once when it is restarted.',
      ];
      say(terminal, flags, enabled, words.join('\n'));
    });
}

function addToggle(program: Command, terminal: Terminal): void {
  const set = async (flags: Flags, body: z.input<typeof ToggleRequest>): Promise<void> => {
    const client = await ApiClient.open(flags);
    const toggle = await client.call('PUT', 'writeback', ToggleAnswer, { body });
    const local = body.enabled && flags.json !== true ? await localPauses(client) : [];
    say(terminal, flags, toggle, [toggleLine(toggle), ...local].join('\n'));
  };
  withApiFlags(program.command('pause'))
    .description('pause writeback; agents stay connected and refuse new commands')
    .requiredOption('--reason <text>', 'shown to everybody who asks', reasonText)
    .option('--for <time>', 'how long, such as 30m, 2h or 1d12h (default: until resume)')
    .addHelpText('after', PAUSE_EXAMPLE)
    .action((flags: Flags & { readonly reason: string; readonly for?: string }) => {
      const { reason, for: time } = flags;
      const ms = time === undefined ? undefined : parseDuration(time, '--for', MAX_PAUSE_DAYS);
      return set(flags, {
        ...{ enabled: false, reason },
        ...(ms !== undefined && { forSeconds: ms / 1000 }),
      });
    });
  withApiFlags(program.command('resume'))
    .description('turn writeback on again')
    .addHelpText('after', RESUME_EXAMPLE)
    .action((flags: Flags) => set(flags, { enabled: true }));
}

function toggleLine({ enabled, wasEnabled, version, until }: z.infer<typeof ToggleAnswer>): string {
  if (enabled) {
    return wasEnabled
      ? `Writeback was on already; the agents have been told so again (version ${version}).`
      : `Writeback is on (version ${version}).`;
  }
  const end = until === undefined ? '' : `${until}, or `;
  const still = wasEnabled ? 'is paused' : 'was paused already; it is paused from now on';
  return `Writeback ${still} (version ${version}) until ${end}\`passback-cloud resume\`.`;
}

/** What agents have said of pauses that were ordered at their machines, as far as this key may see it. */
async function localPauses(client: ApiClient): Promise<string[]> {
  try {
    const { agents } = await client.call('GET', 'status', StatusView);
    return agents.flatMap(({ id, name, report }) =>
      (report?.reasons ?? [])
        .filter((reason) => reason.startsWith('paused at the agent'))
        .map((reason) =>
          printable(`${id} ${name}: ${reason} (run \`passback resume\` on its machine)`),
        ),
    );
  } catch (error) {
    if (error instanceof ApiError) return []; // writeback is on all the same
    throw error;
  }
}

function addStatus(program: Command, terminal: Terminal): void {
  withApiFlags(program.command('status'))
    .description('how the directory is connected, and what each agent says of itself')
    .option('--all', 'revoked agents, too')
    .addHelpText('after', STATUS_NOTES)
    .action(async (flags: Flags & Wanted) => {
      const client = await ApiClient.open(flags);
      try {
        const status = await client.call('GET', 'status', StatusView);
        say(terminal, flags, status, statusText(status, flags));
        if (status.connectivity !== 'up') terminal.setExitCode(EXIT.notUp);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status < 500) throw error;
        sayAtFault(terminal, flags, error);
      }
    });
}

/** It answers, or what stands in front of it does, but cannot say how the directory is. */
function sayAtFault(terminal: Terminal, flags: Flags, { message, status }: ApiError): void {
  const { directory } = flags;
  const connectivity = 'service-at-fault';
  const summary = `the service cannot say how it is connected (HTTP ${status}): ${message}`;
  const action =
    'Look at /readyz of its health listener and at its log; the agents are not to blame.';
  const words = `Directory ${directory}: ${connectivity}\n${printable(summary)}. ${action}`;
  say(terminal, flags, { directory, connectivity, summary, action }, words);
  terminal.setExitCode(EXIT.notUp);
}

function addAudit(program: Command, terminal: Terminal): void {
  withApiFlags(program.command('audit'))
    .description('who did what, newest first')
    .option('--limit <n>', 'how many entries, up to 500', wholeNumber(1, 500), '50')
    .option('--before <seq>', 'older than this entry', wholeNumber(1))
    .addHelpText('after', AUDIT_EXAMPLES)
    .action(async (flags: Flags & { readonly limit: string; readonly before?: string }) => {
      const query = new URLSearchParams({
        limit: flags.limit,
        ...(flags.before !== undefined && { before: flags.before }),
      });
      const client = await ApiClient.open(flags);
      const page = await client.call('GET', `audit?${query.toString()}`, AuditView);
      const lines = page.entries.map(({ seq, at, actor, action, target = '', detail = {} }) =>
        printable([seq, at, actor, action, target, JSON.stringify(detail)].join(' ')),
      );
      say(terminal, flags, page, lines.join('\n'));
    });
}

function addOperation(program: Command, terminal: Terminal): void {
  const operation = program.command('operation').description('operations of a directory');
  withApiFlags(operation.command('close'))
    .description('end an operation of unknown outcome: no agent is asked about it any more')
    .argument('<id>', 'the operation; `cmd` in the audit', idFrom('passback-cloud audit'))
    .addHelpText('after', CLOSE_EXAMPLE)
    .action(async (id: string, flags: Flags) => {
      const client = await ApiClient.open(flags);
      const path = `operations/${encodeURIComponent(id)}/close`;
      const closed = await client.call('POST', path, OperationView);
      say(terminal, flags, closed, `Closed: the outcome of ${closed.operation} stays unknown.`);
    });
}

function reasonText(text: string): string {
  if (text.trim() !== '' && ShortText.safeParse(text).success) return text.trim();
  throw new InvalidArgumentError('expected 1 to 512 characters on one line');
}

function say(terminal: Terminal, flags: Flags, answer: unknown, words: string): void {
  terminal.print(flags.json === true ? JSON.stringify(answer) : words);
}
