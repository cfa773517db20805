import { createHash } from 'node:crypto';
import type { AgentRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';

/** An agent that could be asked now. */
export interface Candidate {
  readonly session: AgentSession;
  /** By its own last report. */
  readonly healthy: boolean;
}

/** The approved, connected agents of a directory in the order in which they own an account. */
export function candidatesFor(
  account: string,
  sessions: readonly AgentSession[],
  agents: readonly AgentRecord[],
): readonly Candidate[] {
  const reports = new Map(agents.map(({ id, report }) => [id, report]));
  return sessions
    .map((session) => ({
      session,
      healthy: isHealthy(reports.get(session.agentId)),
      weight: weightOf(session.agentId, account),
    }))
    .sort((a, b) => Number(b.healthy) - Number(a.healthy) || (a.weight < b.weight ? 1 : -1));
}

function isHealthy(report: AgentRecord['report']): boolean {
  return report === undefined || report.state === 'running' || report.state === 'degraded';
}

/** Rendezvous hashing: every agent has its own weight for every account, so one that leaves moves only its own. */
function weightOf(agentId: string, account: string): string {
  return createHash('sha256').update(`${agentId}\n${account}`).digest('hex');
}
