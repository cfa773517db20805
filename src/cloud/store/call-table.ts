import type { Kysely } from 'kysely';
import { DATABASE_NOW } from './database-now.ts';
import type { Calls } from './nodes.ts';
import type { Tables } from './tables.ts';

/** Questions of one node to another, on PostgreSQL. */
export function callTable(db: Kysely<Tables>): Calls {
  return {
    ask: async ({ id, node, caller, body }) => {
      await db
        .insertInto('node_calls')
        .values({ id, node, caller, body, answer: null, at: DATABASE_NOW })
        .execute();
    },
    waiting: async (node) => {
      const rows = await db
        .selectFrom('node_calls')
        .select('id')
        .where('node', '=', node)
        .where('answer', 'is', null)
        .execute();
      return rows.map(({ id }) => id);
    },
    find: (id) =>
      db
        .selectFrom('node_calls')
        .select(['id', 'node', 'caller', 'body'])
        .where('id', '=', id)
        .where('answer', 'is', null)
        .executeTakeFirst(),
    answer: async (id, answer) => {
      await db.updateTable('node_calls').set({ answer }).where('id', '=', id).execute();
    },
    answered: async (caller) => {
      const rows = await db
        .selectFrom('node_calls')
        .select('id')
        .where('caller', '=', caller)
        .where('answer', 'is not', null)
        .execute();
      return rows.map(({ id }) => id);
    },
    take: async (id) => {
      const row = await db
        .deleteFrom('node_calls')
        .where('id', '=', id)
        .returning('answer')
        .executeTakeFirst();
      return row?.answer ?? undefined;
    },
  };
}
