import { sql, type Kysely } from 'kysely';
import type { Nodes } from './nodes.ts';
import { toOperation } from './operation-table.ts';
import type { Tables } from './tables.ts';

/** Who runs which operation, on PostgreSQL. */
export function runnerTable(db: Kysely<Tables>): Nodes['runners'] {
  const unfinished = db
    .selectFrom('operations')
    .where('final', '=', 0)
    .where('state', 'in', ['pending', 'unknown']);
  /** `for key share` does not get in the way of signs of life, and holds off whoever ends the node. */
  const alive = (node: string) =>
    db.selectFrom('nodes').where('id', '=', node).where('ended_at', 'is', null).forKeyShare();
  return {
    take: async (node, { directory, objectGuid }) => {
      const key = `${directory}/${objectGuid}`;
      const lock = sql`pg_advisory_xact_lock(hashtextextended(${key}, 0))`.as('lock');
      return (await alive(node).select([lock]).executeTakeFirst()) !== undefined;
    },
    unfinished: async ({ directory, objectGuid }) => {
      const rows = await unfinished
        .leftJoin('nodes', (join) =>
          join.onRef('nodes.id', '=', 'operations.runner').on('nodes.ended_at', 'is', null),
        )
        .select(['operations.id', 'nodes.id as runner'])
        .where('directory', '=', directory)
        .where('object_guid', '=', objectGuid)
        .orderBy('created_at')
        .execute();
      return rows.map(({ id, runner }) => ({ id, runner: runner ?? undefined }));
    },
    assign: async (operations, node, at) => {
      if (operations.length === 0) return;
      await db
        .updateTable('operations')
        .set({ runner: node })
        .where('id', 'in', operations)
        .execute();
      await db
        .updateTable('dispatches')
        .set({ lost_at: at, command: null })
        .where('operation', 'in', operations)
        .where('lost_at', 'is', null)
        .where('answered_at', 'is', null)
        .execute();
    },
    mayDecide: async (node, operation) => {
      if ((await alive(node).select('id').executeTakeFirst()) === undefined) return false;
      const row = await db
        .selectFrom('operations')
        .select(['runner', 'final'])
        .where('id', '=', operation)
        .forNoKeyUpdate()
        .executeTakeFirst();
      return row?.runner === node && row.final === 0;
    },
    hold: async (operation) => {
      await db
        .selectFrom('operations')
        .select('id')
        .where('id', '=', operation)
        .forNoKeyUpdate()
        .execute();
    },
    of: async (node) => {
      const rows = await unfinished.select('id').where('runner', '=', node).execute();
      return rows.map(({ id }) => id);
    },
    orphans: async () => {
      const rows = await unfinished
        .select(['id', 'directory', 'object_guid'])
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('nodes')
                .select('nodes.id')
                .whereRef('nodes.id', '=', 'operations.runner')
                .where('nodes.ended_at', 'is', null),
            ),
          ),
        )
        .orderBy('created_at')
        .execute();
      return rows.map((row) => ({
        id: row.id,
        directory: row.directory,
        objectGuid: row.object_guid,
      }));
    },
    decided: async (ids) => {
      if (ids.length === 0) return [];
      const rows = await db
        .selectFrom('operations')
        .selectAll()
        .where('id', 'in', ids)
        .where('state', 'not in', ['prepared', 'pending'])
        .execute();
      return rows.map(toOperation);
    },
  };
}
