import { sql, type Kysely } from 'kysely';
import { isSqlite } from './is-sqlite.ts';

/** What several nodes on one database need; on SQLite, which has one, only the columns. */
export async function addNodes(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('operations').addColumn('runner', 'text').execute();
  await db.schema.alterTable('dispatches').addColumn('node', 'text').execute();
  await db.schema.alterTable('dispatches').addColumn('command', 'text').execute();
  if (isSqlite(db)) return;
  await db.schema
    .createIndex('operations_unfinished_by_account')
    .on('operations')
    .columns(['directory', 'object_guid'])
    .where(sql.ref('final'), '=', sql.lit(0))
    .execute();
  await db.schema
    .createIndex('operations_unfinished_by_runner')
    .on('operations')
    .column('runner')
    .where(sql.ref('final'), '=', sql.lit(0))
    .execute();
  await db.schema
    .createIndex('dispatches_relayed')
    .on('dispatches')
    .column('node')
    .where(sql.ref('command'), 'is not', sql.lit(null))
    .execute();
  await db.schema.createIndex('agents_by_decided_at').on('agents').column('decided_at').execute();
  await createNodes(db);
}

async function createNodes(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('nodes')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('seen_at', 'bigint', (column) => column.notNull())
    .addColumn('monotonic_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_at', 'bigint')
    .execute();
  // Unlogged: after a crash of the database server they are empty, and the nodes fill them again. A
  // sequence of the table's own would begin anew with it.
  await sql`create sequence agent_session_epochs`.execute(db);
  await sql`
    create unlogged table agent_sessions (
      agent text primary key references agents (id),
      directory text not null,
      node text not null,
      session text not null,
      epoch bigint not null default nextval('agent_session_epochs'),
      approved integer not null,
      healthy integer not null,
      ahead_ms bigint not null
    )`.execute(db);
  await sql`create index agent_sessions_by_node on agent_sessions (node)`.execute(db);
  await sql`
    create unlogged table node_calls (
      id text primary key,
      node text not null,
      caller text not null,
      body text not null,
      answer text,
      at bigint not null
    )`.execute(db);
  await sql`create index node_calls_by_node on node_calls (node)`.execute(db);
  await sql`create index node_calls_by_caller on node_calls (caller)`.execute(db);
}
