import { Migrator, sql, type Kysely } from 'kysely';
import { enrollmentTable, apiKeyTable } from './access-tables.ts';
import { agentTable } from './agent-table.ts';
import { auditTable } from './audit-table.ts';
import { directoryTable } from './directory-table.ts';
import { migrations } from './migrations.ts';
import { operationTable } from './operation-table.ts';
import { StoreError, type Store } from './store.ts';
import type { Tables } from './tables.ts';

/** `Store` on any database that Kysely has a dialect for; `scrub` is the database's own. */
export function kyselyStore(db: Kysely<Tables>, scrub: Store['scrub']): Store {
  return {
    directories: directoryTable(db),
    agents: agentTable(db),
    enrollments: enrollmentTable(db),
    apiKeys: apiKeyTable(db),
    operations: operationTable(db),
    audit: auditTable(db),
    atomically: (work) =>
      db.transaction().execute((transaction) => work(kyselyStore(transaction, scrub))),
    scrub,
    ping: async () => {
      await sql`select 1`.execute(db);
    },
    [Symbol.asyncDispose]: () => db.destroy(),
  };
}

/** Brings the schema to this program's version. Rejects with `StoreError` when the database is newer. */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const { error } = await new Migrator({ db, provider: migrations }).migrateToLatest();
  if (error === undefined) return;
  throw new StoreError(
    'store: the database could not be brought up to date; was it written by a newer passback-cloud?',
    { cause: error },
  );
}
