import { sql, type Kysely } from 'kysely';
import { callTable } from './call-table.ts';
import { DATABASE_NOW } from './database-now.ts';
import type { Nodes, NodeTable } from './nodes.ts';
import { relayedTable } from './relayed-table.ts';
import { runnerTable } from './runner-table.ts';
import { sessionTable } from './session-table.ts';
import type { Tables } from './tables.ts';

const FORGET_CALLS_MS = 60_000;
const FORGET_NODES_MS = 24 * 3600_000;

/** `Nodes` on PostgreSQL. */
export function nodeTables(db: Kysely<Tables>): Nodes {
  return {
    nodes: nodeTable(db),
    runners: runnerTable(db),
    relayed: relayedTable(db),
    sessions: sessionTable(db),
    calls: callTable(db),
  };
}

function nodeTable(db: Kysely<Tables>): NodeTable {
  return {
    join: async (id, monotonicMs) => {
      await db
        .insertInto('nodes')
        .values({
          id,
          seen_at: DATABASE_NOW,
          monotonic_ms: Math.floor(monotonicMs),
          ended_at: null,
        })
        .execute();
    },
    beat: async (id, monotonicMs) => {
      const seen = await db
        .updateTable('nodes')
        .set({ seen_at: DATABASE_NOW, monotonic_ms: Math.floor(monotonicMs) })
        .where('id', '=', id)
        .where('ended_at', 'is', null)
        .executeTakeFirst();
      return seen.numUpdatedRows === 1n;
    },
    list: async (leaseMs) => {
      const rows = await db
        .selectFrom('nodes')
        .select(['id', 'monotonic_ms'])
        .select(sql<boolean>`seen_at < ${DATABASE_NOW} - ${leaseMs}`.as('is_late'))
        .where('ended_at', 'is', null)
        .execute();
      return rows.map((row) => ({
        id: row.id,
        monotonicMs: row.monotonic_ms,
        isLate: row.is_late,
      }));
    },
    end: (ids) => db.transaction().execute((transaction) => end(transaction, ids)),
    forget: async () => {
      await db
        .deleteFrom('node_calls')
        .where('at', '<', sql<number>`${DATABASE_NOW} - ${FORGET_CALLS_MS}`)
        .execute();
      await db
        .deleteFrom('nodes')
        .where('ended_at', '<', sql<number>`${DATABASE_NOW} - ${FORGET_NODES_MS}`)
        .execute();
    },
  };
}

async function end(db: Kysely<Tables>, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  // The lock that waits for those who hold the row with `for key share`; an update alone would not.
  const found = await db
    .selectFrom('nodes')
    .select('id')
    .where('id', 'in', ids)
    .where('ended_at', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute();
  const ended = found.map(({ id }) => id);
  if (ended.length === 0) return [];
  await db.updateTable('nodes').set({ ended_at: DATABASE_NOW }).where('id', 'in', ended).execute();
  await db.deleteFrom('agent_sessions').where('node', 'in', ended).execute();
  return ended;
}
