import { join } from 'node:path';
import type { LabDescription } from '../../test/lab/description.ts';
import { FaultProxy } from '../../test/support/fault-proxy.ts';
import { Stack, type StackAgent } from '../../test/support/stack.ts';
import { Api } from './api.ts';
import type { Inflicted } from './evidence.ts';
import type { Place } from './plan.ts';
import { Supervised } from './supervised.ts';

export interface WorldAgent extends StackAgent {
  readonly id: string;
  readonly process: Supervised;
}

/** The programs as they are installed, with a proxy on every way between them. */
export class World implements AsyncDisposable {
  readonly stack: Stack;
  readonly service: Supervised;
  readonly agents: readonly WorldAgent[];
  /** For the load, through a proxy. */
  readonly api: Api;
  /** For questions about the run, past every proxy. */
  readonly admin: Api;
  readonly #proxies: ReadonlyMap<Place, FaultProxy>;

  private constructor(
    parts: Pick<World, 'stack' | 'service' | 'agents' | 'api' | 'admin'>,
    proxies: ReadonlyMap<Place, FaultProxy>,
  ) {
    this.stack = parts.stack;
    this.service = parts.service;
    this.agents = parts.agents;
    this.api = parts.api;
    this.admin = parts.admin;
    this.#proxies = proxies;
  }

  /** Resolves when every agent is enrolled, approved and connected. */
  static async open(lab: LabDescription, folder: string, agents: number): Promise<World> {
    const proxies = new Map<Place, FaultProxy>();
    const through = async (place: Place, port: number): Promise<number> => {
      const proxy = await FaultProxy.start({ host: '127.0.0.1', port });
      proxies.set(place, proxy);
      return proxy.port;
    };
    const controllers = [];
    for (const [index, controller] of lab.controllers.entries()) {
      controllers.push({ ...controller, port: await through(`ldaps-${index}`, controller.port) });
    }
    const stack = await Stack.prepare({
      lab: { ...lab, controllers },
      folder,
      between: async ({ url, ca }) => {
        const port = await through('link', Number(new URL(url).port));
        return { url: `https://localhost:${port}`, ca };
      },
    });
    const port = Number(new URL(stack.url).port);
    const log = join(folder, 'service.log');
    const service = new Supervised('service', log, ['cloud', ['serve', '--data', stack.cloudData]]);
    await service.printed(/cloud\.started/);
    const world = new World(
      {
        stack,
        service,
        agents: await startAgents(stack, agents),
        api: await Api.open(stack, await through('api', port)),
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
    const kills = this.#processes.reduce((sum, process) => sum + process.kills, 0);
    return { kills, cuts: faults.length - stalls, stalls };
  }

  process(name: string): Supervised {
    if (name === 'service') return this.service;
    const agent = this.agents[Number(name.replace('agent-', ''))];
    if (agent === undefined) throw new RangeError(`there is no ${name}`);
    return agent.process;
  }

  /** What did not go as it should with the processes themselves. */
  get surprises(): readonly string[] {
    return this.#processes.flatMap(({ surprises }) => surprises);
  }

  get #processes(): readonly Supervised[] {
    return [this.service, ...this.agents.map(({ process }) => process)];
  }

  /** Lets everything drain: agents first, so that what they still have to say is heard. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.api.close();
    this.admin.close();
    await Promise.all(this.agents.map(({ process }) => process.stop()));
    await this.service.stop();
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
  }
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
