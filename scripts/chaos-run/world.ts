import { join } from 'node:path';
import type { PostgresPlace } from '../../src/cloud/store/postgres-place.ts';
import type { LabDescription } from '../../test/lab/description.ts';
import { FaultProxy, type Servers } from '../../test/support/fault-proxy.ts';
import { Stack, type StackAgent } from '../../test/support/stack.ts';
import { Api } from './api.ts';
import type { Inflicted } from './evidence.ts';
import type { Place } from './plan.ts';
import { Supervised } from './supervised.ts';

export interface WorldAgent extends StackAgent {
  readonly id: string;
  readonly process: Supervised;
}

export interface WorldOptions {
  readonly lab: LabDescription;
  readonly folder: string;
  readonly agents: number;
  readonly nodes: number;
  readonly database: PostgresPlace | undefined;
}

/** The programs as they are installed, with a proxy on every way between any two; the nodes reach their database without. */
export class World implements AsyncDisposable {
  readonly stack: Stack;
  /** The nodes of the service. */
  readonly services: readonly Supervised[];
  readonly agents: readonly WorldAgent[];
  /** For the load, through a proxy. */
  readonly api: Api;
  /** For questions about the run, past every proxy. */
  readonly admin: Api;
  readonly #proxies: ReadonlyMap<Place, FaultProxy>;

  private constructor(
    parts: Pick<World, 'stack' | 'services' | 'agents' | 'api' | 'admin'>,
    proxies: ReadonlyMap<Place, FaultProxy>,
  ) {
    this.stack = parts.stack;
    this.services = parts.services;
    this.agents = parts.agents;
    this.api = parts.api;
    this.admin = parts.admin;
    this.#proxies = proxies;
  }

  /** Resolves when every agent is enrolled, approved and connected. */
  static async open({ lab, folder, agents, nodes, database }: WorldOptions): Promise<World> {
    const proxies = new Map<Place, FaultProxy>();
    const through = async (place: Place, servers: Servers): Promise<number> => {
      const proxy = await FaultProxy.start(servers);
      proxies.set(place, proxy);
      return proxy.port;
    };
    const controllers = [];
    for (const [index, controller] of lab.controllers.entries()) {
      const server = { host: '127.0.0.1', port: controller.port };
      controllers.push({ ...controller, port: await through(`ldaps-${index}`, server) });
    }
    const stack = await Stack.prepare({
      lab: { ...lab, controllers },
      folder,
      ...(database !== undefined && { cluster: { nodes, database } }),
      between: async ({ ca }, servers) => {
        const port = await through('link', servers);
        return { url: `https://localhost:${port}`, ca };
      },
    });
    const services = await startServices(stack);
    const [{ port }] = stack.nodes;
    const world = new World(
      {
        stack,
        services,
        agents: await startAgents(stack, agents),
        api: await Api.open(stack, await through('api', stack.nodes)),
        admin: await Api.open(stack, port),
      },
      proxies,
    );
    return world;
  }

  proxy(place: Place): FaultProxy {
    const proxy = this.#proxies.get(place);
    if (proxy === undefined) throw new RangeError(`nothing stands at ${place}`);
    return proxy;
  }

  /** What really broke so far. */
  get inflicted(): Inflicted {
    const faults = [...this.#proxies.values()].flatMap(({ inflicted }) => inflicted);
    const stalls = faults.filter(({ kind }) => kind === 'stall' || kind === 'delay').length;
    const serviceKills = sum(this.services.map(({ kills }) => kills));
    const kills = serviceKills + sum(this.agents.map(({ process }) => process.kills));
    return { kills, serviceKills, cuts: faults.length - stalls, stalls };
  }

  process(name: string): Supervised {
    const process = this.#processes.find((candidate) => candidate.name === name);
    if (process === undefined) throw new RangeError(`there is no ${name}`);
    return process;
  }

  /** What did not go as it should with the processes themselves. */
  get surprises(): readonly string[] {
    return this.#processes.flatMap(({ surprises }) => surprises);
  }

  get #processes(): readonly Supervised[] {
    return [...this.services, ...this.agents.map(({ process }) => process)];
  }

  /** Lets everything drain: agents first, so that what they still have to say is heard. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.api.close();
    this.admin.close();
    await Promise.all(this.agents.map(({ process }) => process.stop()));
    await Promise.all(this.services.map((service) => service.stop()));
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}

/** One after the other: each brings the schema up to date, and only the first finds anything to do. */
async function startServices({ folder, nodes }: Stack): Promise<readonly Supervised[]> {
  const services: Supervised[] = [];
  for (const [index, { dataFolder }] of nodes.entries()) {
    const name = `service-${index}`;
    const log = join(folder, `${name}.log`);
    const service = new Supervised(name, log, ['cloud', ['serve', '--data', dataFolder]]);
    services.push(service);
    await service.printed(/cloud\.started/);
  }
  return services;
}

async function startAgents(stack: Stack, count: number): Promise<readonly WorldAgent[]> {
  const agents: WorldAgent[] = [];
  for (let index = 0; index < count; index++) {
    const place = index === 0 ? stack.first : await stack.addAgent(`agent-${index}`);
    const { agent: id, fingerprint } = await stack.enroll(place);
    const process = new Supervised(`agent-${index}`, join(stack.folder, `agent-${index}.log`), [
      'agent',
      ['run', '--config', place.configFile],
    ]);
    agents.push({ ...place, id, process });
    await process.printed(/link\.up/);
    await stack.command(['agent', 'approve', id, '--fingerprint', fingerprint]);
  }
  return agents;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
