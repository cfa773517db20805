import type { Kysely, Selectable } from 'kysely';
import type { DirectoryRecord, Toggle } from './records.ts';
import type { Directories } from './store.ts';
import type { DirectoryTable, Tables } from './tables.ts';

/** `Directories` on a database. */
export function directoryTable(
  db: Kysely<Tables>,
  { lock }: { readonly lock: boolean },
): Directories {
  return {
    add: async ({ id, createdAt, toggle }) => {
      const added = await db
        .insertInto('directories')
        .values({ id, created_at: createdAt, ...toToggleColumns(toggle) })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return added.numInsertedOrUpdatedRows === 1n;
    },
    find: async (id) => {
      const row = await db
        .selectFrom('directories')
        .selectAll()
        .where('id', '=', id)
        .$if(lock, (query) => query.forNoKeyUpdate())
        .executeTakeFirst();
      return row && toRecord(row);
    },
    list: async () => {
      const rows = await db.selectFrom('directories').selectAll().orderBy('id').execute();
      return rows.map(toRecord);
    },
    setToggle: async (id, toggle, replaced) => {
      const updated = await db
        .updateTable('directories')
        .set(toToggleColumns(toggle))
        .where('id', '=', id)
        .where('toggle_version', '=', replaced)
        .executeTakeFirst();
      return updated.numUpdatedRows === 1n;
    },
    unnotedEnds: async (now) => {
      const rows = await db
        .selectFrom('directories')
        .selectAll()
        .where('toggle_enabled', '=', 0)
        .where('toggle_until', '<=', now)
        .where('toggle_end_noted', 'is', null)
        .execute();
      return rows.map(toRecord);
    },
    noteEnd: async (id, version) => {
      const updated = await db
        .updateTable('directories')
        .set({ toggle_end_noted: 1 })
        .where('id', '=', id)
        .where('toggle_version', '=', version)
        .where('toggle_end_noted', 'is', null)
        .executeTakeFirst();
      return updated.numUpdatedRows === 1n;
    },
  };
}

function toToggleColumns(toggle: Toggle): Omit<DirectoryTable, 'id' | 'created_at'> {
  return {
    toggle_version: toggle.version,
    toggle_enabled: toggle.enabled ? 1 : 0,
    toggle_reason: toggle.reason,
    toggle_by: toggle.by,
    toggle_at: toggle.at,
    toggle_until: toggle.until ?? null,
    toggle_end_noted: null,
  };
}

function toRecord(row: Selectable<DirectoryTable>): DirectoryRecord {
  return {
    id: row.id,
    createdAt: row.created_at,
    toggle: {
      version: row.toggle_version,
      enabled: row.toggle_enabled === 1,
      reason: row.toggle_reason,
      by: row.toggle_by,
      at: row.toggle_at,
      ...(row.toggle_until !== null && { until: row.toggle_until }),
    },
  };
}
