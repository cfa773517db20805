import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { z } from 'zod';
import {
  AgentList,
  AgentView,
  AuditView,
  OperationView,
  StatusView,
  TokenView,
  ToggleView,
} from '../api/bodies.ts';
import { ApiClient, ApiError, type ApiFlags } from './api-client.ts';
import { withApiFlags } from './api-flags.ts';
import { writeNewFile } from './new-file.ts';
import type { Terminal } from './terminal.ts';

interface Flags extends ApiFlags {
  readonly json?: true;
}

/** Adds what works over the API: `token`, `agent`, `pause`, `resume`, `status`, `audit`, `operation`. */
export function addRemoteCommands(program: Command, terminal: Terminal): void {
  addToken(program, terminal);
  addAgent(program, terminal);
  addToggle(program, terminal);
  addStatus(program, terminal);
  addAudit(program, terminal);
  addOperation(program, terminal);
}

function addToken(program: Command, terminal: Terminal): void {
  withApiFlags(program.command('token'))
    .description('make an enrolment token for one agent, good once within an hour')
    .requiredOption('--out <file>', 'new file for the token, readable by you only')
    .action(async (flags: Flags & { readonly out: string }) => {
      const client = await ApiClient.open(flags);
      const out = resolve(flags.out);
      let expiresAt = '';
      await writeNewFile(out, '--out', async () => {
        const made = await client.call('POST', 'enrollment-tokens', TokenView);
        ({ expiresAt } = made);
        return `${made.token}\n`;
      });
      say(
        terminal,
        flags,
        { out, expiresAt },
        `Wrote a token to ${out}; it works until ${expiresAt}.`,
      );
    });
}

function addAgent(program: Command, terminal: Terminal): void {
  const agent = program.command('agent').description('agents of a directory');
  withApiFlags(agent.command('list'))
    .description('list all agents with their fingerprints')
    .action(async (flags: Flags) => {
      const list = await (await ApiClient.open(flags)).call('GET', 'agents', AgentList);
      say(terminal, flags, list, list.agents.map(agentLine).join('\n') || 'No agents.');
    });
  withApiFlags(agent.command('approve'))
    .description('let a pending agent work; compare the fingerprint on its machine first')
    .argument('<id>', 'the agent')
    .requiredOption('--fingerprint <fingerprint>', 'what `passback enroll` printed on the machine')
    .action(async (id: string, flags: Flags & { readonly fingerprint: string }) => {
      const { fingerprint } = flags;
      const path = `agents/${encodeURIComponent(id)}/approve`;
      const client = await ApiClient.open(flags);
      const approved = await client.call('POST', path, AgentView, { body: { fingerprint } });
      say(terminal, flags, approved, `Approved ${agentLine(approved)}`);
    });
  withApiFlags(agent.command('revoke'))
    .description('end an agent for good and close its connection')
    .argument('<id>', 'the agent')
    .action(async (id: string, flags: Flags) => {
      const client = await ApiClient.open(flags);
      const revoked = await client.call('DELETE', `agents/${encodeURIComponent(id)}`, AgentView);
      say(terminal, flags, revoked, `Revoked ${agentLine(revoked)}`);
    });
}

function addToggle(program: Command, terminal: Terminal): void {
  const set = async (flags: Flags, enabled: boolean, reason: string): Promise<void> => {
    const client = await ApiClient.open(flags);
    const toggle = await client.call('PUT', 'writeback', ToggleView, { body: { enabled, reason } });
    const line = `Writeback is ${enabled ? 'on' : 'paused'} (version ${toggle.version}).`;
    const local = enabled && flags.json !== true ? await localPauses(client) : [];
    say(terminal, flags, toggle, [line, ...local].join('\n'));
  };
  withApiFlags(program.command('pause'))
    .description('pause writeback; agents stay connected and refuse new commands')
    .requiredOption('--reason <text>', 'shown to everybody who asks')
    .action((flags: Flags & { readonly reason: string }) => set(flags, false, flags.reason));
  withApiFlags(program.command('resume'))
    .description('turn writeback on again')
    .action((flags: Flags) => set(flags, true, ''));
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
    .description('how the directory is connected')
    .action(async (flags: Flags) => {
      const status = await (await ApiClient.open(flags)).call('GET', 'status', StatusView);
      const { connectivity, writeback, pendingOperations, agents } = status;
      const lines = [
        `${status.directory}: ${connectivity}; writeback ${writeback.enabled ? 'on' : `paused (${printable(writeback.reason)})`}; ${pendingOperations} pending`,
        ...agents.flatMap((agent) => [
          `  ${agentLine(agent)}`,
          ...(agent.report?.reasons ?? []).map((reason) => `    ${printable(reason)}`),
        ]),
      ];
      say(terminal, flags, status, lines.join('\n'));
    });
}

function addAudit(program: Command, terminal: Terminal): void {
  withApiFlags(program.command('audit'))
    .description('who did what, newest first')
    .option('--limit <n>', 'how many entries, up to 500', '50')
    .option('--before <seq>', 'older than this entry')
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
    .argument('<id>', 'the operation; `cmd` in the audit')
    .action(async (id: string, flags: Flags) => {
      const client = await ApiClient.open(flags);
      const path = `operations/${encodeURIComponent(id)}/close`;
      const closed = await client.call('POST', path, OperationView);
      say(terminal, flags, closed, `Closed: the outcome of ${closed.operation} stays unknown.`);
    });
}

function agentLine(agent: z.infer<typeof AgentView>): string {
  const { id, name, state, connected, version, fingerprint, report } = agent;
  const link = connected ? 'connected' : 'offline';
  return printable(
    `${id} ${name} ${state} ${link} ${report?.state ?? '-'} ${version} ${fingerprint}`,
  );
}

/** An agent names itself: nothing that it says may hide, move or forge what a person compares. */
function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, '?');
}

function say(terminal: Terminal, flags: Flags, answer: unknown, words: string): void {
  terminal.print(flags.json === true ? JSON.stringify(answer) : words);
}
