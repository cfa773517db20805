import type { Directory } from '../../src/agent/directory/directory.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import { eventually } from './eventually.ts';
import type { FakeDirectory } from './fake-directory.ts';
import { createToken } from './scripted-agent.ts';
import { StartedAgent, type AgentOptions } from './start-agent.ts';
import type { TestCloud } from './start-cloud.ts';

/** One agent of several, and how it reaches the directory that they share. */
export interface FleetAgent {
  readonly id: string;
  readonly agent: StartedAgent;
  readonly directory: AgentDirectory;
}

/** The shared directory as one agent sees it: outlives the agent, and can be bent for it alone. */
export class AgentDirectory implements Directory {
  readonly #shared: FakeDirectory;
  /** What becomes of a write of this agent. */
  onApply: Directory['apply'];

  constructor(shared: FakeDirectory) {
    this.#shared = shared;
    this.onApply = (...args) => shared.apply(...args);
  }

  read(...args: Parameters<Directory['read']>): ReturnType<Directory['read']> {
    return this.#shared.read(...args);
  }

  apply(...args: Parameters<Directory['apply']>): ReturnType<Directory['apply']> {
    return this.onApply(...args);
  }

  check(signal: AbortSignal): ReturnType<Directory['check']> {
    return this.#shared.check(signal);
  }

  selfTest(...args: Parameters<Directory['selfTest']>): ReturnType<Directory['selfTest']> {
    return this.#shared.selfTest(...args);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Several whole agents of one directory at a real service, approved and connected. */
export class AgentFleet implements AsyncDisposable {
  readonly agents: readonly FleetAgent[];
  readonly #cloud: TestCloud;

  private constructor(cloud: TestCloud, agents: readonly FleetAgent[]) {
    this.#cloud = cloud;
    this.agents = agents;
  }

  static async start(
    cloud: TestCloud,
    shared: FakeDirectory,
    count: number,
    clock = systemClock,
  ): Promise<AgentFleet> {
    const agents: FleetAgent[] = [];
    for (let n = 0; n < count; n += 1) agents.push(await enrolled(cloud, shared, clock));
    const fleet = new AgentFleet(cloud, agents);
    await Promise.all(agents.map((each) => fleet.start(each)));
    return fleet;
  }

  /** Starts one that is not running; resolves when the service has taken it. */
  async start({ agent, id }: FleetAgent): Promise<void> {
    agent.start();
    await eventually(async () => (await this.connected()).includes(id), 10_000);
  }

  find(id: string | undefined): FleetAgent {
    const found = this.agents.find((each) => each.id === id);
    if (found === undefined) throw new Error(`no agent ${id ?? ''}`);
    return found;
  }

  /** The agents that the service has a session with. */
  async connected(): Promise<readonly string[]> {
    const { body } = await this.#cloud.call('GET', 'agents');
    return listed(body).flatMap(({ id, connected }) => (connected ? [id] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.agents.map(({ agent }) => agent[Symbol.asyncDispose]()));
  }
}

function enrolled(cloud: TestCloud, shared: FakeDirectory, clock: Clock): Promise<FleetAgent> {
  return enrollApproved(cloud, { directory: new AgentDirectory(shared), clock });
}

/** One more agent of this service, enrolled and approved, and not started yet. */
export async function enrollApproved<D extends Directory>(
  cloud: TestCloud,
  options: AgentOptions & { readonly directory: D },
): Promise<{ readonly id: string; readonly agent: StartedAgent; readonly directory: D }> {
  const before = listed((await cloud.call('GET', 'agents')).body).map(({ id }) => id);
  const token = await createToken(cloud);
  const service = {
    ...{ url: cloud.address, ca: cloud.tls.ca, sessions: [] },
    enrollmentToken: () => token,
  };
  const { directory } = options;
  const agent = await StartedAgent.enroll(service, { url: cloud.address, ...options });
  const all = listed((await cloud.call('GET', 'agents')).body);
  const added = all.find(({ id }) => !before.includes(id));
  if (added === undefined) throw new Error('the agent has not enrolled');
  const { id, fingerprint } = added;
  await cloud.call('POST', `agents/${id}/approve`, { body: { fingerprint } });
  return { id, agent, directory };
}

interface Listed {
  readonly id: string;
  readonly fingerprint: string;
  readonly connected: boolean;
}

function listed(body: unknown): readonly Listed[] {
  return (body as { agents: readonly Listed[] }).agents;
}
