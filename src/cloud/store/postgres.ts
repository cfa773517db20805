import { Kysely, PostgresDialect, sql } from 'kysely';
import { isInTheWay } from './postgres-errors.ts';
import { kyselyStore, migrate } from './kysely-store.ts';
import { postgresPool, TIMEOUTS, type Timeouts } from './postgres-pool.ts';
import { apiKeysByHash, operationsById, postgresBatches } from './postgres-batches.ts';
import type { PostgresPlace } from './postgres-place.ts';
import { StoreError, type Store } from './store.ts';
import type { Tables } from './tables.ts';
import { Together } from './together.ts';

/** `create index` on a table of years takes longer than any other statement; nobody waits behind it for as long. */
const MIGRATION: Timeouts = { statementMs: 600_000, lockMs: 20_000 };

const TRIES = 6;

/** Opens a database and brings its schema up to date. Rejects with `StoreError`, which names the cure. */
export async function openPostgresStore(place: PostgresPlace): Promise<Store> {
  await bringUpToDate(place);
  return postgresStore(place);
}

/** The store on a database whose schema is up to date. */
export function postgresStore(place: PostgresPlace): Store {
  const db = openKysely(place, TIMEOUTS);
  const store = kyselyStore(db, {
    // Deleted rows stay in the files until vacuum and the write-ahead log have moved on: OPERATING says so.
    scrub: () => Promise.resolve(),
    isInTheWay,
    tries: TRIES,
    hasNodes: true,
    lockRows: true,
    batches: postgresBatches,
  });
  const operations = new Together((ids: readonly string[]) => operationsById(db, ids));
  const keys = new Together((hashes: readonly string[]) => apiKeysByHash(db, hashes));
  return {
    ...store,
    operations: { ...store.operations, find: (id) => operations.run(id) },
    apiKeys: { ...store.apiKeys, findByHash: (hash) => keys.run(hash) },
  };
}

async function bringUpToDate(place: PostgresPlace): Promise<void> {
  const db = openKysely({ ...place, poolSize: 2 }, MIGRATION);
  try {
    await mustBeDurable(db);
    await migrateInTurn(db);
  } finally {
    await db.destroy();
  }
}

/** Nodes of the version before go on meanwhile; where PostgreSQL has this one give way to them, it tries again. */
async function migrateInTurn(db: Kysely<Tables>): Promise<void> {
  for (let left = TRIES; ; left -= 1) {
    try {
      await migrate(db);
      return;
    } catch (error) {
      if (left === 1 || !isInTheWay(error)) throw error;
    }
  }
}

function openKysely(place: PostgresPlace, timeouts: Timeouts): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: postgresPool(place, timeouts) }),
  });
}

/** A commit that a power cut takes back would be an order that is given twice. */
async function mustBeDurable(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ name: string; setting: string }>`
    select name, setting from pg_settings where name in ('fsync', 'synchronous_commit')`.execute(
    db,
  );
  const off = rows.find(({ setting }) => setting === 'off');
  if (off === undefined) return;
  throw new StoreError(
    `store: ${off.name} is off in PostgreSQL, so that a power cut could take back what was answered; turn it on`,
  );
}
