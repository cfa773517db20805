import { Migrator, sql, type Kysely } from 'kysely';
import { enrollmentTable, apiKeyTable } from './access-tables.ts';
import { agentTable } from './agent-table.ts';
import { auditTable } from './audit-table.ts';
import { directoryTable } from './directory-table.ts';
import { schemaOf } from './executed-migrations.ts';
import { nodeTables } from './node-tables.ts';
import { migrations } from './migrations.ts';
import { operationTable } from './operation-table.ts';
import { packageVersion } from '../../support/version.ts';
import { StoreError, type Operations, type Store } from './store.ts';
import type { Tables } from './tables.ts';

/** What a database does in its own way. */
export interface Dialect {
  readonly scrub: Store['scrub'];
  /** Whether a transaction has failed only because of another one, so that running it again helps. */
  readonly isInTheWay: (error: unknown) => boolean;
  readonly tries: number;
  /** Whether several processes can share the database. */
  readonly hasNodes: boolean;
  /** Whether transactions run side by side, so that rows have to be locked by who reads them to change them. */
  readonly lockRows: boolean;
  /** For many at one time, in its own words; else they are done one by one. */
  readonly batches?: (db: Kysely<Tables>) => Partial<Operations>;
}

/** `Store` on any database that Kysely has a dialect for. */
export function kyselyStore(db: Kysely<Tables>, dialect: Dialect): Store {
  const lock = dialect.lockRows && db.isTransaction;
  return {
    directories: directoryTable(db, { lock }),
    agents: agentTable(db, { lock }),
    enrollments: enrollmentTable(db),
    apiKeys: apiKeyTable(db),
    operations: { ...operationTable(db), ...dialect.batches?.(db) },
    audit: auditTable(db),
    ...(dialect.hasNodes && { nodes: nodeTables(db) }),
    atomically: (work) => inTransaction(db, dialect, work),
    scrub: dialect.scrub,
    ping: async () => {
      await sql`select 1`.execute(db);
    },
    [Symbol.asyncDispose]: () => db.destroy(),
  };
}

async function inTransaction<T>(
  db: Kysely<Tables>,
  dialect: Dialect,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  for (let tries = dialect.tries; ; tries -= 1) {
    try {
      return await db
        .transaction()
        .execute((transaction) => work(kyselyStore(transaction, dialect)));
    } catch (error) {
      if (tries <= 1 || !dialect.isInTheWay(error)) throw error;
    }
  }
}

/** Brings the schema to this program's version. Rejects with `StoreError`, `STORE_NEWER` when the database is. */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const { unknown } = await schemaOf(db);
  if (unknown.length > 0) throw newer(unknown);
  const { error } = await new Migrator({ db, provider: migrations }).migrateToLatest();
  if (error === undefined) return;
  if (error instanceof StoreError) throw error;
  throw new StoreError('store: the database could not be brought up to date', { cause: error });
}

function newer(unknown: readonly string[]): StoreError {
  return new StoreError(
    `store: a newer passback-cloud than this (${packageVersion()}) has worked on the database and made ${unknown.join(', ')} there: install that one again. Nothing was changed`,
    {},
    'STORE_NEWER',
  );
}
