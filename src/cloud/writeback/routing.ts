import { createHash } from 'node:crypto';
import type { StatusReport } from '../../protocol/status.ts';
import type { AgentSession } from './agent-session.ts';

/** The approved, connected agents of a directory in the order in which they own an account. */
export function inOrder(
  account: string,
  sessions: readonly AgentSession[],
): readonly AgentSession[] {
  return sessions
    .map((session) => ({ session, weight: weightOf(session.agentId, account) }))
    .sort(
      (a, b) =>
        Number(b.session.healthy) - Number(a.session.healthy) || (a.weight < b.weight ? 1 : -1),
    )
    .map(({ session }) => session);
}

/** Whether an agent that says this of itself should be asked before the others. */
export function isHealthy({ state }: Pick<StatusReport, 'state'>): boolean {
  return state === 'running' || state === 'degraded';
}

/** Rendezvous hashing: every agent has its own weight for every account, so one that leaves moves only its own. */
function weightOf(agentId: string, account: string): string {
  return createHash('sha256').update(`${agentId}\n${account}`).digest('hex');
}
