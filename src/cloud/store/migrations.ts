import type { Kysely, Migration, MigrationProvider } from 'kysely';
import { addNodes } from './node-migration.ts';
import { isSqlite } from './is-sqlite.ts';

/**
 * Forward only; a migration that was released is never edited. Each only adds, so that a node of the
 * version before goes on working on the same database until it is replaced.
 */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '001-first': { up: first },
  '002-timed-pause': { up: timedPause },
  '003-turned-away': { up: turnedAway },
  '004-nodes': { up: addNodes },
  '005-disabled-agents': { up: disabledAgents },
};

export const migrations: MigrationProvider = {
  getMigrations: () => Promise.resolve({ ...MIGRATIONS }),
};

async function first(db: Kysely<unknown>): Promise<void> {
  await createDirectories(db);
  await createAgents(db);
  await createAccess(db);
  await createOperations(db);
  await createAudit(db);
}

async function timedPause(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('directories').addColumn('toggle_until', 'bigint').execute();
  await db.schema.alterTable('directories').addColumn('toggle_end_noted', 'integer').execute();
}

async function turnedAway(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('agents').addColumn('turned_away', 'text').execute();
}

async function disabledAgents(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('agents').addColumn('disabled', 'text').execute();
}

async function createDirectories(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('directories')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('toggle_version', 'bigint', (column) => column.notNull())
    .addColumn('toggle_enabled', 'integer', (column) => column.notNull())
    .addColumn('toggle_reason', 'text', (column) => column.notNull())
    .addColumn('toggle_by', 'text', (column) => column.notNull())
    .addColumn('toggle_at', 'bigint', (column) => column.notNull())
    .execute();
}

async function createAgents(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('agents')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('directory', 'text', (column) => column.notNull().references('directories.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('version', 'text', (column) => column.notNull())
    .addColumn('device_kid', 'text', (column) => column.notNull().unique())
    .addColumn('device_key', 'text', (column) => column.notNull())
    .addColumn('sealing_key', 'text', (column) => column.notNull())
    .addColumn('sealing_statement', 'text', (column) => column.notNull())
    .addColumn('sealing_since', 'bigint', (column) => column.notNull())
    .addColumn('sealing_replaced', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('enrolled_at', 'bigint', (column) => column.notNull())
    .addColumn('decided_at', 'bigint')
    .addColumn('decided_by', 'text')
    .addColumn('seen_at', 'bigint')
    .addColumn('trail', 'text')
    .addColumn('guard', 'text')
    .addColumn('report', 'text')
    .execute();
  await createIndex(db, 'agents', ['directory']);
}

async function createAccess(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('enrollment_tokens')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('directory', 'text', (column) => column.notNull().references('directories.id'))
    .addColumn('secret', 'text')
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('api_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('directory', 'text', (column) => column.notNull().references('directories.id'))
    .addColumn('hash', 'text', (column) => column.notNull().unique())
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
}

async function createOperations(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('operations')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('directory', 'text', (column) => column.notNull().references('directories.id'))
    .addColumn('api_key', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('made_by', 'text', (column) => column.notNull())
    .addColumn('op', 'text', (column) => column.notNull())
    .addColumn('object_guid', 'text', (column) => column.notNull())
    .addColumn('options', 'text', (column) => column.notNull())
    .addColumn('baseline', 'text', (column) => column.notNull())
    .addColumn('not_after', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('recipients', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('final', 'integer', (column) => column.notNull())
    .addColumn('content', 'text')
    .addColumn('secret', 'text')
    .addColumn('result', 'text')
    .addColumn('finished_at', 'bigint')
    .execute();
  await createIndex(db, 'operations', ['final', 'state']);
  await createIndex(db, 'operations', ['final', 'finished_at']);
  await db.schema
    .createTable('dispatches')
    .addColumn('jti', 'text', (column) => column.primaryKey())
    .addColumn('operation', 'text', (column) => column.notNull().references('operations.id'))
    .addColumn('agent', 'text', (column) => column.notNull())
    .addColumn('session', 'text', (column) => column.notNull())
    .addColumn('token', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('controller', 'text')
    .addColumn('lost_at', 'bigint')
    .addColumn('answered_at', 'bigint')
    .addColumn('code', 'text')
    .addColumn('answer', 'text')
    .execute();
  await createIndex(db, 'dispatches', ['operation']);
}

async function createAudit(db: Kysely<unknown>): Promise<void> {
  // The one column whose spelling the dialects do not share.
  const sqlite = isSqlite(db);
  await db.schema
    .createTable('audit')
    .addColumn('seq', sqlite ? 'integer' : 'bigserial', (column) => {
      const key = column.primaryKey();
      return sqlite ? key.autoIncrement() : key;
    })
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('directory', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('target', 'text')
    .addColumn('detail', 'text')
    .addColumn('signed', 'text')
    .execute();
  await createIndex(db, 'audit', ['directory', 'seq']);
  await createIndex(db, 'audit', ['at']);
}

async function createIndex(
  db: Kysely<unknown>,
  table: string,
  columns: readonly string[],
): Promise<void> {
  await db.schema
    .createIndex(`${table}_by_${columns.join('_')}`)
    .on(table)
    .columns([...columns])
    .execute();
}
