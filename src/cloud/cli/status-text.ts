import type { z } from 'zod';
import type { GuardSummary, StatusReport } from '../../protocol/status.ts';
import { textTable } from '../../support/text-table.ts';
import type { AgentView, StatusView } from '../api/bodies.ts';

type Agent = z.infer<typeof AgentView>;

/** Which agents are wanted: all, or those that may still come back. */
export interface Wanted {
  readonly all?: true;
}

/** Agents as a table; revoked ones only on demand, but never without a word. */
export function agentTable(agents: readonly Agent[], { all }: Wanted): string {
  if (agents.length === 0) return 'No agents.';
  const shown = agents.filter(({ state }) => all === true || state !== 'revoked');
  return [...(shown.length === 0 ? [] : tableOf(shown)), ...hiddenLines(agents, shown)].join('\n');
}

/** How a directory is connected and what each agent says of itself, for a person at a terminal. */
export function statusText(status: z.infer<typeof StatusView>, { all }: Wanted): string {
  const { directory, connectivity, summary, action, writeback, pendingOperations, agents } = status;
  const shown = agents.filter(({ state }) => all === true || state !== 'revoked');
  const toggle = writeback.enabled
    ? 'on'
    : `paused (${printable(writeback.reason)}) by ${printable(writeback.by)} since ${writeback.at}${writeback.until === undefined ? '' : ` until ${writeback.until}`}`;
  const [head = '', ...lines] = tableOf(shown);
  return [
    `Directory ${directory}: ${connectivity}; writeback ${toggle}; ${pendingOperations} operations pending`,
    `${printable(summary)}.${action === undefined ? '' : ` ${printable(action)}`}`,
    ...(shown.length === 0 ? ['No agents: make a token with `passback-cloud token`'] : ['', head]),
    ...shown.flatMap((agent, index) => [lines[index] ?? '', ...details(agent)]),
    ...hiddenLines(agents, shown),
  ].join('\n');
}

/** One agent on a line, as an answer to something that was done to it. */
export function agentLine(agent: Agent): string {
  return columns(agent).join(' ');
}

const HEAD = ['AGENT', 'NAME', 'STATE', 'LINK', 'WRITEBACK', 'VERSION', 'FINGERPRINT'];

function tableOf(agents: readonly Agent[]): readonly string[] {
  return textTable(HEAD, agents.map(columns));
}

function columns(agent: Agent): readonly string[] {
  const { id, name, connected, version, fingerprint, report } = agent;
  const state = agent.disabled === undefined ? agent.state : 'disabled';
  const link = connected ? 'connected' : 'offline';
  // What an agent that is away reported last is no news.
  const writeback = connected ? (report?.state ?? '-') : '-';
  return [id, name, state, link, writeback, version, fingerprint].map(printable);
}

function hiddenLines(all: readonly Agent[], shown: readonly Agent[]): readonly string[] {
  const count = all.length - shown.length;
  if (count === 0) return [];
  return [`(${count === 1 ? '1 revoked agent' : `${count} revoked agents`} not shown; see --all)`];
}

function details(agent: Agent): readonly string[] {
  const { state, connected, outdated, version, seenAt, report, guard, turnedAway, disabled } =
    agent;
  if (state === 'revoked') return [];
  return [
    ...(connected || seenAt === undefined ? [] : [`last seen ${seenAt}`]),
    ...(disabled === undefined ? [] : [disabledLine(disabled)]),
    ...(turnedAway === undefined ? [] : [`turned away at ${turnedAway.at}: ${turnedAway.reason}`]),
    ...(outdated ? [`version ${version} is older than the service: update it`] : []),
    ...(report?.reasons ?? []),
    ...(guard === undefined ? [] : guardLines(guard)),
    ...(report === undefined ? [] : [counterLine(report)]),
  ].map((line) => `    ${printable(line)}`);
}

function disabledLine({ at, by, reason }: NonNullable<Agent['disabled']>): string {
  const why = reason === '' ? '' : ` (${reason})`;
  return `disabled by ${by} since ${at}${why}: \`passback-cloud agent enable\` lets it in again`;
}

function guardLines(guard: GuardSummary): readonly string[] {
  const { self, admin, baseDns, limits, breaker, dryRun } = guard;
  const { perAccount, perActor, overall } = limits;
  const exceptions = [
    counted(guard.deniedBaseDns, 'denied unit'),
    counted(guard.allowedGroups, 'required group'),
    counted(guard.protectedGroups, 'protected group'),
    counted(guard.protectedAccounts, 'protected account'),
  ].filter((text) => text !== '');
  return [
    `guard: self ${self.join(', ') || 'nothing'}; admin ${admin.join(', ') || 'nothing'}; below ${baseDns.join(' and ') || 'nothing'}`,
    ...(exceptions.length === 0 ? [] : [`       with ${exceptions.join(', ')}`]),
    ...historyLine(guard),
    `       per hour: ${perAccount} per account, ${perActor.self} per person, ${perActor.admin} per admin, ${overall} in all`,
    // Whether it is open was said in the greeting and may have changed: the reasons tell of that.
    `       breaker: ${breaker.perActor} per caller, ${breaker.overall} writes in all, within ${breaker.windowMinutes} min${dryRun ? '; dry run' : ''}`,
  ];
}

/** What an older agent does not say. */
function historyLine({ policyHints, peers }: GuardSummary): readonly string[] {
  if (policyHints === undefined || peers === undefined) return [];
  const { self, admin } = policyHints;
  const vouched = peers === 0 ? '' : `; ${counted(peers, 'peer')} vouched for on site`;
  return [`       password history: self ${self}, admin ${admin}${vouched}`];
}

function counted(count: number, what: string): string {
  return count === 0 ? '' : `${count} ${what}${count === 1 ? '' : 's'}`;
}

function counterLine({ at, counters, startedAt }: StatusReport): string {
  const counts = Object.entries(counters).map(([name, count]) => `${count} ${name}`);
  return `count: ${counts.join(', ') || 'no operation'} from its start at ${startedAt} to ${at}`;
}

/** An agent names itself: nothing that it says may hide, move or forge what a person compares. */
export function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, '?');
}
