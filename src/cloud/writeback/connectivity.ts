import { packageVersion } from '../../support/version.ts';
import type { AgentRecord, DirectoryRecord, Moment } from '../store/records.ts';
import { barOf, isInService } from './admittance.ts';
import type { Core } from './core.ts';
import { isPaused, pauseInWords } from './pause.ts';
import { isOlder } from './versions.ts';

/** How a directory is connected, as an admin is shown it: what it means, and what to do. */
const STATES = {
  up: { words: 'up and running', action: undefined },
  outdated: {
    words: 'up and running, but an agent is older than this service',
    action: 'Update the agents that are marked below; they work until then.',
  },
  degraded: {
    words: 'an agent is connected, and something is wrong',
    action: 'Look at what the agents say below, and do that.',
  },
  paused: {
    words: 'writeback is paused',
    action:
      'When the reason is gone: `passback-cloud resume` where this service paused it, `passback resume` on the machine of each agent that says it was paused there.',
  },
  'too-old': {
    words: 'an agent is too old to be served',
    action: 'Update it; it tries again within a quarter of an hour, at once when it is restarted.',
  },
  'cannot-connect': {
    words: 'no agent is connected',
    action:
      'Look at the machine of the agent (`passback status`), at its log, and at the proxies and firewalls between it and this service. One that was let in again just now comes back within a quarter of an hour, at once when it is restarted.',
  },
  'waiting-for-approval': {
    words: 'an agent is enrolled and waits for its approval',
    action: 'Compare its fingerprint on its machine, then run `passback-cloud agent approve`.',
  },
  'not-configured': {
    words: 'no agent is enrolled',
    action:
      'Make a token with `passback-cloud token` and run `passback enroll` on a machine inside the network.',
  },
  'service-at-fault': {
    words: 'this service itself is not ready',
    action: 'Do what it says about itself, and look at its log; the agents are not to blame.',
  },
} as const satisfies Record<
  string,
  { readonly words: string; readonly action: string | undefined }
>;

export type Connectivity = keyof typeof STATES;

export const CONNECTIVITY = Object.keys(STATES) as readonly Connectivity[];

export interface DirectoryStatus {
  readonly directory: DirectoryRecord;
  readonly connectivity: Connectivity;
  /** The same in words, with the facts of this directory. */
  readonly summary: string;
  readonly action: string | undefined;
  readonly pendingOperations: number;
  readonly agents: readonly AgentView[];
}

export interface AgentView {
  readonly agent: AgentRecord;
  readonly connected: boolean;
  /** Whether it would be worth updating. */
  readonly outdated: boolean;
}

/** What the service knows of a directory and its agents now; `ownFault` is why it is not ready itself. */
export async function directoryStatus(
  core: Core,
  directory: DirectoryRecord,
  ownFault: string | undefined,
): Promise<DirectoryStatus> {
  const agents = await viewAgents(core, directory.id);
  const now = core.clock.now();
  const pending = await core.store.operations.countPending(directory.id);
  return {
    directory,
    ...describe({ directory, agents, ownFault, now }),
    pendingOperations: pending.get(directory.id) ?? 0,
    agents,
  };
}

/** A directory's agents and who of them is connected. */
export async function viewAgents(core: Core, directory: string): Promise<readonly AgentView[]> {
  const agents = await core.store.agents.list(directory);
  return agents.map((agent) => viewOf(core, agent));
}

/** An agent, and whether it is connected. */
export function viewOf(core: Core, agent: AgentRecord): AgentView {
  return {
    agent,
    connected: barOf(agent) === undefined && core.sessions.find(agent.id) !== undefined,
    outdated: agent.state !== 'revoked' && isOlder(agent.version, packageVersion()),
  };
}

/** The facts that a connectivity state is derived from. */
export interface ConnectivityFacts {
  readonly directory: Pick<DirectoryRecord, 'toggle'>;
  readonly agents: readonly AgentView[];
  /** Why this service is not ready; undefined when it is. */
  readonly ownFault: string | undefined;
  readonly now: Moment;
}

/** The connectivity state with its words. Pure. */
export function describe(
  facts: ConnectivityFacts,
): Pick<DirectoryStatus, 'connectivity' | 'summary' | 'action'> {
  const connectivity = connectivityOf(facts);
  const { words, action } = STATES[connectivity];
  const detail = detailOf(connectivity, facts);
  return {
    connectivity,
    summary: detail === undefined ? words : `${words}: ${detail}`,
    action: connectivity === 'cannot-connect' && areAllDisabled(facts) ? ENABLE : action,
  };
}

const ENABLE = 'When the reason is gone: `passback-cloud agent enable`.';

function connectivityOf(facts: ConnectivityFacts): Connectivity {
  const { directory, agents, ownFault, now } = facts;
  if (ownFault !== undefined) return 'service-at-fault';
  const approved = agents.filter(({ agent }) => isInService(agent));
  if (approved.length === 0) return withoutApproved(facts);
  const connected = approved.filter((view) => view.connected);
  if (connected.length === 0) {
    return approved.some(isTurnedAway) ? 'too-old' : 'cannot-connect';
  }
  const states = new Set(connected.map(({ agent }) => agent.report?.state ?? 'running'));
  if (states.size === 1 && states.has('down')) return 'degraded';
  if (isPaused(directory.toggle, now)) return 'paused';
  if (states.has('running')) return connected.some(({ outdated }) => outdated) ? 'outdated' : 'up';
  return states.has('degraded') ? 'degraded' : 'paused';
}

function withoutApproved(facts: ConnectivityFacts): Connectivity {
  if (areAllDisabled(facts)) return 'cannot-connect';
  return facts.agents.some(isLetIn) ? 'waiting-for-approval' : 'not-configured';
}

function detailOf(connectivity: Connectivity, facts: ConnectivityFacts): string | undefined {
  const { directory, agents, ownFault, now } = facts;
  if (connectivity === 'service-at-fault') return ownFault;
  if (connectivity === 'too-old') return agents.find(isTurnedAway)?.agent.turnedAway?.reason;
  if (connectivity === 'cannot-connect') return disabledOf(facts);
  if (connectivity === 'up' || connectivity === 'outdated') return missingOf(agents);
  if (connectivity !== 'paused') return undefined;
  return isPaused(directory.toggle, now)
    ? pauseInWords(directory.toggle)
    : 'at the agents, not by this service';
}

function disabledOf(facts: ConnectivityFacts): string | undefined {
  if (!areAllDisabled(facts)) return undefined;
  const names = facts.agents.filter(isDisabled).map(({ agent }) => agent.name);
  return `an admin has disabled every agent (${names.join(', ')})`;
}

function areAllDisabled({ agents }: ConnectivityFacts): boolean {
  return agents.some(isDisabled) && !agents.some(isLetIn);
}

function isLetIn({ agent }: AgentView): boolean {
  return barOf(agent) === undefined;
}

function isDisabled({ agent }: AgentView): boolean {
  return barOf(agent)?.code === 'AGENT_DISABLED';
}

/** Which agents the others make up for. */
function missingOf(agents: readonly AgentView[]): string | undefined {
  const approved = agents.filter(({ agent }) => isInService(agent));
  const missing = approved.filter(
    ({ agent, connected }) => !connected || (agent.report?.state ?? 'running') !== 'running',
  );
  if (missing.length === 0) return undefined;
  const names = missing.map(({ agent }) => agent.name).join(', ');
  return `${missing.length} of ${approved.length} agents ${missing.length === 1 ? 'is' : 'are'} not (${names})`;
}

function isTurnedAway({ agent, connected }: AgentView): boolean {
  return isInService(agent) && !connected && agent.turnedAway !== undefined;
}
