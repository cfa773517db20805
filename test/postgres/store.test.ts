import { expect, test } from 'vitest';
import { openPostgresStore } from '../../src/cloud/store/postgres.ts';
import type { PostgresPlace } from '../../src/cloud/store/postgres-place.ts';
import type { StoreError } from '../../src/cloud/store/store.ts';
import { Secret } from '../../src/support/secret.ts';
import { sampleAgent, sampleOperation, storeContract } from '../contract/store-contract.ts';
import { usePostgres } from '../lab/use-postgres.ts';
import { eventually } from '../support/eventually.ts';
import { createTestCa } from '../support/test-ca.ts';

const server = usePostgres();
const TOGGLE = { version: 1, enabled: true, reason: '', by: 'anna', at: 1 };

storeContract('PostgreSQL', async () => openPostgresStore(await server.createDatabase()));

test('the connection is encrypted, and made only to a server whose certificate is right', async () => {
  const place = await server.createDatabase();
  await using store = await openPostgresStore(place);
  await store.ping();
  const rows = await server.query(
    place.database,
    `select 1 from pg_stat_ssl join pg_stat_activity using (pid)
     where datname = $1 and usename = $1 and ssl`,
    [place.database],
  );
  expect(rows.length).toBeGreaterThan(0);
  const { ca } = await createTestCa();
  await refused({ ...place, tls: { ca } }, 'no trusted CA has signed the certificate');
  await refused({ ...place, host: '127.0.0.1' }, 'the certificate is for another host name');
});

test.each<[string, Partial<PostgresPlace>]>([
  ['does not take the password', { password: new Secret('wrong') }],
  ['does not take the password', { user: 'nobody' }],
  ['there is no such database', { database: 'nowhere' }],
  ['nothing listens there', { port: 1 }],
])('says in words: %s', async (words, part) => {
  await refused(server.placeOf(part), words);
});

test('a database that is read-only says that it is a standby', async () => {
  const place = await server.createDatabase();
  await using store = await openPostgresStore(place);
  await server.query(
    'postgres',
    `alter database ${place.database} set default_transaction_read_only = on`,
  );
  await server.query(
    'postgres',
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`,
    [place.database],
  );
  await eventually(() =>
    expect(
      store.directories.add({ id: 'corp', createdAt: 1, toggle: TOGGLE }),
    ).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('point database.urlFile to the primary') as unknown,
    }),
  );
});

test('a server with no connection left says so', async () => {
  const place = await server.createDatabase();
  await using _store = await openPostgresStore(place);
  await server.query('postgres', `alter role ${place.user} connection limit 0`);
  await refused(place, 'PostgreSQL has no connection left');
});

test('a database that loses what it has confirmed is not used', async () => {
  const place = await server.createDatabase();
  await server.query('postgres', `alter database ${place.database} set synchronous_commit = off`);
  await refused(place, 'synchronous_commit is off');
});

test('no error quotes what was to be written', async () => {
  const place = await server.createDatabase();
  await using store = await openPostgresStore(place);
  const orphan = store.operations.prepare({ ...sampleOperation('o'), actor: 'planted-actor' });
  const error = await orphan.catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'STORE_FAILED',
    message: 'store: PostgreSQL did not do it (23503)',
  });
});

test('what two transactions read and change at one time is changed one after the other', async () => {
  const place = await server.createDatabase();
  await using one = await openPostgresStore(place);
  await using two = await openPostgresStore(place);
  await one.directories.add({ id: 'corp', createdAt: 1, toggle: TOGGLE });
  await one.agents.add(sampleAgent('a'));
  await one.agents.update('a', { trail: { epoch: 'e', seq: 0, head: 'h', seen: 0, ahead: [] } });
  const count = (store: typeof one): Promise<void> =>
    store.atomically(async ({ agents }) => {
      const trail = await agents.trail('a');
      if (trail === undefined) throw new Error('no trail');
      await agents.update('a', { trail: { ...trail, seq: trail.seq + 1 } });
    });
  await Promise.all(Array.from({ length: 20 }, (_, at) => count(at % 2 === 0 ? one : two)));
  expect((await one.agents.trail('a'))?.seq).toBe(20);
});

test('transactions that block each other are run again, and both go through', async () => {
  const place = await server.createDatabase();
  await using store = await openPostgresStore(place);
  for (const id of ['x', 'y']) await store.directories.add({ id, createdAt: 1, toggle: TOGGLE });
  let waiting = 0;
  const crossed = (first: string, second: string): Promise<void> =>
    store.atomically(async ({ directories }) => {
      await directories.find(first);
      waiting += 1;
      if (waiting <= 2) await eventually(() => waiting >= 2);
      await directories.find(second);
    });
  await Promise.all([crossed('x', 'y'), crossed('y', 'x')]);
  expect(waiting).toBe(3);
});

test('nodes that start at one time make the tables once', async () => {
  const place = await server.createDatabase();
  const stores = await Promise.all(Array.from({ length: 4 }, () => openPostgresStore(place)));
  for (const store of stores) {
    await store.ping();
    await store[Symbol.asyncDispose]();
  }
});

test('a database of a newer version is refused', async () => {
  const place = await server.createDatabase();
  await (await openPostgresStore(place))[Symbol.asyncDispose]();
  const values = `values ('999-from-the-future', '2030-01-01')`;
  await server.query(place.database, `insert into kysely_migration ${values}`);
  await refused(place, 'a newer passback-cloud than this', 'STORE_NEWER');
});

test('a column that a newer node adds does not disturb this one', async () => {
  const place = await server.createDatabase();
  await using store = await openPostgresStore({ ...place, poolSize: 1 });
  await store.directories.add({ id: 'corp', createdAt: 1, toggle: TOGGLE });
  await store.operations.prepare(sampleOperation('o'));
  const look = () => Promise.all([store.operations.find('o'), store.agents.trail('a')]);
  await look();
  await server.query(place.database, 'alter table operations add column later text');
  await server.query(place.database, 'alter table agents add column later text');
  expect(await look()).toMatchObject([{ id: 'o' }, undefined]);
});

test('a server that was restarted is used again', async () => {
  const place = await server.createDatabase();
  await using store = await openPostgresStore(place);
  await store.directories.add({ id: 'corp', createdAt: 1, toggle: TOGGLE });
  await server.kill();
  await expect(store.ping()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await expect(store.directories.list()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await server.start();
  expect(await eventually(() => store.directories.list())).toHaveLength(1);
}, 180_000);

async function refused(
  place: PostgresPlace,
  words: string,
  code: StoreError['code'] = 'STORE_FAILED',
): Promise<void> {
  await expect(openPostgresStore(place)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(words) as unknown,
  });
}
