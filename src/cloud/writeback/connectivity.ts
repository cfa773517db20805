import { PROTOCOL_VERSION } from '../../protocol/status.ts';
import type { AgentRecord, DirectoryRecord } from '../store/records.ts';
import type { Core } from './core.ts';

/** How a directory is connected, as an admin is shown it. */
export const CONNECTIVITY = [
  'up',
  'degraded',
  'cannot-connect',
  'waiting-for-approval',
  'not-configured',
] as const;

export type Connectivity = (typeof CONNECTIVITY)[number];

export interface DirectoryStatus {
  readonly directory: DirectoryRecord;
  readonly connectivity: Connectivity;
  readonly protocol: number;
  readonly pendingOperations: number;
  readonly agents: readonly AgentView[];
}

export interface AgentView {
  readonly agent: AgentRecord;
  readonly connected: boolean;
}

/** What the service knows of a directory and its agents now. */
export async function directoryStatus(
  core: Core,
  directory: DirectoryRecord,
): Promise<DirectoryStatus> {
  const agents = await viewAgents(core, directory.id);
  return {
    directory,
    connectivity: connectivityOf(agents),
    protocol: PROTOCOL_VERSION,
    pendingOperations: await core.store.operations.countPending(directory.id),
    agents,
  };
}

/** A directory's agents and who of them is connected. */
export async function viewAgents(core: Core, directory: string): Promise<readonly AgentView[]> {
  const agents = await core.store.agents.list(directory);
  return agents.map((agent) => ({
    agent,
    connected: core.sessions.find(agent.id) !== undefined,
  }));
}

function connectivityOf(views: readonly AgentView[]): Connectivity {
  const approved = views.filter(({ agent }) => agent.state === 'approved');
  if (approved.length === 0) {
    const pending = views.some(({ agent }) => agent.state === 'pending');
    return pending ? 'waiting-for-approval' : 'not-configured';
  }
  const connected = approved.filter((view) => view.connected);
  if (connected.length === 0) return 'cannot-connect';
  const running = connected.some(({ agent }) => (agent.report?.state ?? 'running') === 'running');
  return running ? 'up' : 'degraded';
}
