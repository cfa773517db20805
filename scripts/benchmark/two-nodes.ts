import { randomUUID } from 'node:crypto';
import { Client, Pool } from 'pg';
import { postgresServer, type PostgresServer } from '../../test/lab/postgres-server.ts';
import { startPostgres } from '../../test/lab/start-postgres.ts';
import { eventually } from '../../test/support/eventually.ts';
import { accountState, ScriptedAgent } from '../../test/support/scripted-agent.ts';
import { startTestCloud, TEST_DIRECTORY, type TestCloud } from '../../test/support/start-cloud.ts';
import { Api, type PreparedReset } from './api.ts';
import { spread, type Spread } from './statistics.ts';
import { inParallel } from './work-pool.ts';

export interface TwoNodes {
  readonly callers: number;
  readonly operations: number;
  /** From the PUT at one node to the outcome of an agent at the other one, milliseconds. */
  readonly through: Spread;
  readonly throughPerSecond: number;
  /** The same at one node on the same database, which has the agent itself. */
  readonly alone: Spread;
  readonly alonePerSecond: number;
  /** A row, a NOTIFY, a row, a NOTIFY, each pair durable, between two clients of the database. */
  readonly bare: Spread;
  readonly barePerSecond: number;
}

export interface TwoNodesOptions {
  readonly callers: number;
  readonly operations: number;
  readonly progress: (line: string) => void;
}

/** One way after the other, each so short that neither the machine's moods nor idle connections matter. */
const AT_A_TURN = 300;
/** Until the programs have been compiled as far as they will be. */
const WARM_UP_TURNS = 2;
const PREPARED_AT_ONCE = 8;
/** What a command and an outcome are long, more or less. */
const BODY = 'x'.repeat(1_500);

/**
 * Unlocks through two real processes of the service on one PostgreSQL server, whose agent answers
 * at once, against the bare round trip through that server; callers and agent are in this process.
 */
export async function measureTwoNodes(options: TwoNodesOptions): Promise<TwoNodes> {
  const { callers, operations, progress } = options;
  await using postgres = await startPostgres(progress);
  const server = postgresServer(postgres.description);
  await using a = await startTestCloud({ database: await server.createDatabase(), process: true });
  await using b = await startTestCloud({ nodeOf: a, process: true });
  await using agent = await ScriptedAgent.create(b);
  await agent.join();
  await agent.connect();
  agent.onInspect = ({ account }) => {
    if ('objectGuid' in account) agent.account = accountState(account.objectGuid);
    return undefined;
  };
  const [far, near] = [apiOf(a), apiOf(b)];
  await eventually(() => far.prepareUnlock(accountOf(0)), 20_000);
  await using bare = await BareRoundTrip.open(server, a.database?.database ?? '');
  const turns = Math.ceil(operations / AT_A_TURN);
  const each = Math.ceil(operations / turns);
  const kinds = {
    through: kind(() => far),
    alone: kind(() => near),
    bare: { times: [] as number[], seconds: 0 },
  };
  for (let turn = 1 - WARM_UP_TURNS; turn <= turns; turn++) {
    progress(turn < 1 ? 'warming up' : `turn ${turn} of ${turns}: ${each} each way`);
    if (turn === 1) for (const one of Object.values(kinds)) [one.times, one.seconds] = [[], 0];
    for (const one of [kinds.through, kinds.alone]) {
      const ready = await prepareAll(one.api(), each);
      one.seconds += await inParallel(ready, callers, async (operation) => {
        one.times.push(await timed(() => one.api().apply(operation)));
      });
    }
    kinds.bare.seconds += await inParallel(
      Array.from({ length: each }, (_, i) => i),
      callers,
      async () => {
        kinds.bare.times.push(await timed(() => bare.once()));
      },
    );
  }
  far.close();
  near.close();
  const perSecond = ({ times, seconds }: { times: number[]; seconds: number }): number =>
    times.length / seconds;
  return {
    callers,
    operations: kinds.through.times.length,
    through: spread(kinds.through.times),
    throughPerSecond: perSecond(kinds.through),
    alone: spread(kinds.alone.times),
    alonePerSecond: perSecond(kinds.alone),
    bare: spread(kinds.bare.times),
    barePerSecond: perSecond(kinds.bare),
  };
}

function kind(api: () => Api): { api: () => Api; times: number[]; seconds: number } {
  return { api, times: [], seconds: 0 };
}

function apiOf({ address, adminKey, tls }: TestCloud): Api {
  const url = address.replace('127.0.0.1', 'localhost');
  return new Api({ url, directory: TEST_DIRECTORY, key: adminKey, ca: tls.ca });
}

let accounts = 0;

/** One for each operation: nobody waits for somebody else's account. */
function accountOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}

async function prepareAll(api: Api, count: number): Promise<readonly PreparedReset[]> {
  const ready: PreparedReset[] = [];
  await inParallel(
    Array.from({ length: count }, (_, i) => i),
    PREPARED_AT_ONCE,
    async () => {
      ready.push(await api.prepareUnlock(accountOf((accounts += 1))));
    },
  );
  return ready;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Two clients that hand a row over and back, as durable as the service's, and nothing around it. */
class BareRoundTrip implements AsyncDisposable {
  readonly #pools: readonly [Pool, Pool];
  readonly #ears: readonly [Client, Client];
  readonly #waiting = new Map<string, () => void>();

  private constructor(pools: readonly [Pool, Pool], ears: readonly [Client, Client]) {
    this.#pools = pools;
    this.#ears = ears;
  }

  static async open(server: PostgresServer, database: string): Promise<BareRoundTrip> {
    await server.query(database, 'create table bare (id text primary key, there text, back text)');
    const config = server.adminOf(database);
    const pool = (): Pool => new Pool({ ...config, max: 10 });
    const ears = [new Client(config), new Client(config)] as const;
    const trip = new BareRoundTrip([pool(), pool()], ears);
    for (const [at, ear] of ears.entries()) {
      await ear.connect();
      await ear.query(`listen bare_${at}`);
    }
    const [here, there] = ears;
    there.on('notification', ({ payload = '' }) => void trip.#answer(payload));
    here.on('notification', ({ payload = '' }) => void trip.#take(payload));
    return trip;
  }

  async once(): Promise<void> {
    const id = randomUUID();
    const answered = new Promise<void>((resolve) => {
      this.#waiting.set(id, resolve);
    });
    await this.#commit(0, 'insert into bare (id, there) values ($1, $2)', id);
    await answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#ears, ...this.#pools].map((each) => each.end()));
  }

  async #answer(id: string): Promise<void> {
    await this.#pools[1].query('select there from bare where id = $1', [id]);
    await this.#commit(1, 'update bare set back = $2 where id = $1', id);
  }

  async #take(id: string): Promise<void> {
    await this.#pools[0].query('select back from bare where id = $1', [id]);
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  async #commit(from: 0 | 1, statement: string, id: string): Promise<void> {
    const client = await this.#pools[from].connect();
    try {
      await client.query('begin');
      await client.query(statement, [id, BODY]);
      await client.query(`select pg_notify('bare_${1 - from}', $1)`, [id]);
      await client.query('commit');
    } finally {
      client.release();
    }
  }
}
