import { setTimeout as delay } from 'node:timers/promises';
import { Kysely, Migrator, PostgresDialect } from 'kysely';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrations } from '../../src/cloud/store/migrations.ts';
import type { PostgresPlace } from '../../src/cloud/store/postgres-place.ts';
import { postgresPool } from '../../src/cloud/store/postgres-pool.ts';
import { usePostgres } from '../lab/use-postgres.ts';
import { prepareOperation, submitOperation, type Prepared } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

/** The schema of the version before nodes, which knew nothing of `runner`, `node` and `command`. */
const OLDER = '003-turned-away';

const server = usePostgres();
const started: AsyncDisposable[] = [];

/** What the database was filled by; it has ended. */
let before: TestCloud;
let agent: ScriptedAgent;
/** Handed in, and not handed over to an agent yet. */
let pending: Prepared;
/** A database of the older schema with all that in it. */
let database: PostgresPlace;

beforeEach(async () => {
  before = await startTestCloud({ database: await server.createDatabase() });
  started.push(before);
  agent = await ScriptedAgent.create(before);
  started.push(agent);
  await agent.join();
  await agent.connect();
  pending = await eventually(() => prepareOperation(before));
  await agent.cut();
  await submitOperation(before, pending, { waitS: 0 });
  await before.stop();
  database = await server.createDatabase();
  await migrateTo(OLDER);
  await copyRows(before.database?.database ?? '', database.database);
});

afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

async function migrateTo(name: string): Promise<void> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: postgresPool(database) }),
  });
  const { error } = await new Migrator({ db, provider: migrations }).migrateTo(name);
  await db.destroy();
  expect(error).toBeUndefined();
}

/** Whatever the older schema has a column for. */
async function copyRows(from: string, to: string): Promise<void> {
  const tables = ['directories', 'agents', 'api_keys', 'operations', 'dispatches', 'audit'];
  for (const table of tables) {
    const columns = await server.query<{ name: string }>(
      to,
      'select column_name as name from information_schema.columns where table_name = $1',
      [table],
    );
    const names = columns.map(({ name }) => name).join(', ');
    const rows = await server.query(from, `select ${names} from ${table}`);
    await server.query(
      to,
      `insert into ${table} (${names}) select ${names} from json_populate_recordset(null::${table}, $1)`,
      [JSON.stringify(rows)],
    );
  }
  // What is appended from now on comes after what was copied.
  await server.query(to, `select setval('audit_seq_seq', (select max(seq) from audit))`);
}

async function startNode(): Promise<TestCloud> {
  const node = await startTestCloud({ nodeOf: before, database });
  started.push(node);
  return node;
}

/** What a node of the version before does all the time, with the columns that it knows. */
class OlderNode implements AsyncDisposable {
  readonly written: string[] = [];
  readonly #client = new Client(server.adminOf(database.database));
  readonly #over = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  async start(): Promise<void> {
    await this.#client.connect();
    this.#ended = this.#work();
  }

  /** Rejects with the first statement that was not possible. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined);
    await this.#client.end();
  }

  async #work(): Promise<void> {
    for (let at = 0; !this.#over.signal.aborted; at += 1) {
      const id = `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`;
      await this.#client.query('begin');
      await this.#client.query(
        `insert into operations
          (id, directory, api_key, actor, made_by, op, object_guid, options, baseline, not_after,
           created_at, recipients, state, final)
         select $1, directory, api_key, actor, made_by, op, object_guid, options, baseline, not_after,
           created_at, recipients, 'prepared', 0 from operations where id = $2`,
        [id, pending.operation],
      );
      await this.#client.query(
        `insert into dispatches (jti, operation, agent, session, token, at) values ($1, $1, $2, '', '', 0)`,
        [id, agent.id],
      );
      await delay(5); // somebody else may begin to wait for these tables here
      await this.#client.query('commit');
      await this.#client.query('select * from agents where id = $1', [agent.id]);
      await this.#client.query(
        `update operations set state = 'expired', final = 1, finished_at = $2 where id = $1`,
        [id, Date.now()],
      );
      this.written.push(id);
    }
  }
}

test('a node brings the schema forward while one of the version before goes on, and goes on with what is there', async () => {
  await using older = new OlderNode();
  await older.start();
  await eventually(() => older.written.length > 10);
  const node = await startNode();
  const soFar = older.written.length;
  await eventually(() => older.written.length > soFar + 10);

  agent.cloud = node;
  await agent.connect();
  const headers = { prefer: 'wait=20' };
  const outcome = await node.call('GET', `operations/${pending.operation}`, { headers });
  expect(outcome.body).toMatchObject({ status: 'applied', final: true, agent: agent.id });
  const next = await eventually(() => prepareOperation(node));
  expect((await submitOperation(node, next)).body).toMatchObject({ status: 'applied' });
  expect(agent.journal.size).toBe(2);

  await older.stop();
  const rows = await server.query<{ id: string }>(
    database.database,
    `select operations.id from operations join dispatches on operation = operations.id
     where operations.state = 'expired'`,
  );
  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(older.written));
  expect((await node.call('GET', 'status')).body).toMatchObject({ connectivity: 'up' });
});

test('of two nodes that start at one time one brings the schema forward, and the other waits for it', async () => {
  // Neither gets on before this has ended: one waits for the table, the other for that one.
  const holder = new Client(server.adminOf(database.database));
  await holder.connect();
  await holder.query('begin');
  await holder.query('select id from operations for update');
  const both = Promise.all([startNode(), startNode()]);
  await eventually(async () => {
    const waiting = await server.query<{ locktype: string }>(
      'postgres',
      `select distinct locktype from pg_locks join pg_stat_activity using (pid)
       where datname = $1 and not granted order by locktype`,
      [database.database],
    );
    expect(waiting).toEqual([{ locktype: 'advisory' }, { locktype: 'relation' }]);
  });
  await holder.query('commit');
  await holder.end();
  const [a, b] = await both;

  const known = Object.keys(await migrations.getMigrations());
  const done = await server.query<{ name: string }>(
    database.database,
    'select name from kysely_migration order by name',
  );
  expect(done.map(({ name }) => name)).toEqual(known);
  agent.cloud = a;
  await agent.connect();
  const prepared = await eventually(() => prepareOperation(b));
  expect((await submitOperation(b, prepared)).body).toMatchObject({ status: 'applied' });
});

test('a node that gets in the way of one of the version before brings the schema forward all the same', async () => {
  // Of two that wait for each other PostgreSQL ends the one that looks first: this has it be the new node.
  const { database: name } = database;
  await server.query('postgres', `alter database ${name} set deadlock_timeout = '3s'`);
  const older = new Client(server.adminOf(name));
  await older.connect();
  await older.query(`set deadlock_timeout = '60s'`);
  await older.query('begin');
  await older.query('lock table dispatches in row exclusive mode');
  const starting = startNode();
  await eventually(async () => {
    const waiting = await server.query(
      name,
      `select 1 from pg_locks where relation = 'dispatches'::regclass and not granted`,
    );
    expect(waiting).toHaveLength(1);
  });
  const reading = older.query('select count(*) from operations');
  const [node] = await Promise.all([starting, reading.then(() => older.query('commit'))]);
  await older.end();
  expect((await node.call('GET', 'status')).status).toBe(200);
});
