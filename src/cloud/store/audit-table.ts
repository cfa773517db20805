import type { Kysely, Selectable } from 'kysely';
import type { AuditRecord } from './records.ts';
import type { Audit } from './store.ts';
import type { AuditTable, Tables } from './tables.ts';

/** `Audit` on a database. */
export function auditTable(db: Kysely<Tables>): Audit {
  return {
    append: async ({ at, directory, actor, action, target, detail, signed }) => {
      await db
        .insertInto('audit')
        .values({
          at,
          directory,
          actor,
          action,
          target: target ?? null,
          detail: detail === undefined ? null : JSON.stringify(detail),
          signed: signed ?? null,
        })
        .execute();
    },
    page: async (directory, limit, before) => {
      let query = db.selectFrom('audit').selectAll().where('directory', '=', directory);
      if (before !== undefined) query = query.where('seq', '<', before);
      const rows = await query
        .orderBy('seq', 'desc')
        .limit(limit + 1)
        .execute();
      const entries = rows.slice(0, limit).map(toRecord);
      return { entries, next: rows.length > limit ? entries.at(-1)?.seq : undefined };
    },
    purge: async (before, limit) => {
      const old = db.selectFrom('audit').select('seq').where('at', '<', before).limit(limit);
      const purged = await db.deleteFrom('audit').where('seq', 'in', old).executeTakeFirst();
      return Number(purged.numDeletedRows);
    },
  };
}

function toRecord(row: Selectable<AuditTable>): AuditRecord {
  return {
    seq: row.seq,
    at: row.at,
    directory: row.directory,
    actor: row.actor,
    action: row.action,
    ...(row.target !== null && { target: row.target }),
    ...(row.detail !== null && {
      detail: JSON.parse(row.detail) as NonNullable<AuditRecord['detail']>, // as `append` wrote it
    }),
    ...(row.signed !== null && { signed: row.signed }),
  };
}
