import { sql, type Kysely } from 'kysely';
import type { Runners, RunnerLists } from './nodes.ts';
import { toOperation } from './operation-table.ts';
import type { Tables } from './tables.ts';

/** Who runs which operation, on PostgreSQL. */
export function runnerTable(db: Kysely<Tables>): Runners & RunnerLists {
  return { ...decisions(db), ...assignments(db), ...lists(db) };
}

/** Submitted and not final. */
function unfinished(db: Kysely<Tables>) {
  return db
    .selectFrom('operations')
    .where('final', '=', 0)
    .where('state', 'in', ['pending', 'unknown']);
}

function decisions(db: Kysely<Tables>): Pick<Runners, 'take' | 'mayDecide' | 'hold'> {
  /** `for key share` does not get in the way of signs of life, and holds off whoever ends the node. */
  const alive = (node: string) =>
    db.selectFrom('nodes').where('id', '=', node).where('ended_at', 'is', null).forKeyShare();
  return {
    take: async (node, accounts) => {
      const keys = accounts.map(({ directory, objectGuid }) => `${directory}/${objectGuid}`);
      // Always in the same order: two nodes that take several would wait for each other.
      const ordered = sql`
        select distinct hashtextextended(account, 0) as key
        from unnest(${keys}::text[]) as account order by key`;
      const locks = sql`
        (select count(pg_advisory_xact_lock(key)) from (${ordered}) as ordered)`.as('locks');
      return (await alive(node).select([locks]).executeTakeFirst()) !== undefined;
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
    hold: async (operations) => {
      await db
        .selectFrom('operations')
        .select('id')
        .where(sql<boolean>`id = any(${operations}::text[])`)
        .orderBy('id') // as everybody does who holds several
        .forNoKeyUpdate()
        .execute();
    },
  };
}

function assignments(
  db: Kysely<Tables>,
): Pick<Runners & RunnerLists, 'unfinished' | 'assign' | 'loseAgain'> {
  const lose = async (operations: readonly string[], at: number): Promise<void> => {
    if (operations.length === 0) return;
    await db
      .updateTable('dispatches')
      .set({ lost_at: at, command: null })
      .where('operation', 'in', operations)
      .where('answered_at', 'is', null)
      .execute();
  };
  return {
    unfinished: async (accounts) => {
      const rows = await unfinished(db)
        .leftJoin('nodes', (join) =>
          join.onRef('nodes.id', '=', 'operations.runner').on('nodes.ended_at', 'is', null),
        )
        .select(['operations.id', 'directory', 'object_guid', 'nodes.id as runner'])
        .where(
          sql<boolean>`(directory, object_guid) in (
            select directory, account from unnest(
              ${accounts.map(({ directory }) => directory)}::text[],
              ${accounts.map(({ objectGuid }) => objectGuid)}::text[]
            ) as given (directory, account))`,
        )
        .orderBy('created_at')
        .execute();
      return rows.map(({ id, directory, object_guid, runner }) => ({
        ...{ id, directory, objectGuid: object_guid },
        runner: runner ?? undefined,
      }));
    },
    assign: async (operations, node, at) => {
      if (operations.length === 0) return;
      await db
        .updateTable('operations')
        .set({ runner: node })
        .where('id', 'in', operations)
        .execute();
      await lose(operations, at);
    },
    loseAgain: lose,
  };
}

function lists(db: Kysely<Tables>): Pick<RunnerLists, 'of' | 'orphans' | 'decided'> {
  return {
    of: async (node) => {
      const rows = await unfinished(db).select('id').where('runner', '=', node).execute();
      return rows.map(({ id }) => id);
    },
    orphans: async () => {
      const rows = await unfinished(db)
        .leftJoin('nodes', (join) =>
          join.onRef('nodes.id', '=', 'operations.runner').on('nodes.ended_at', 'is', null),
        )
        .select(['operations.id', 'directory', 'object_guid'])
        .where('nodes.id', 'is', null)
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
