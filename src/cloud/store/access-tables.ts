import type { Kysely, Selectable } from 'kysely';
import type { ApiKeyRecord, Scope } from './records.ts';
import type { ApiKeys, Enrollments } from './store.ts';
import type { ApiKeyTable, Tables } from './tables.ts';

/** `Enrollments` on a database. */
export function enrollmentTable(db: Kysely<Tables>): Enrollments {
  return {
    add: async ({ id, directory, secret, createdBy, expiresAt, failures }) => {
      await db
        .insertInto('enrollment_tokens')
        .values({
          id,
          directory,
          secret: secret ?? null,
          created_by: createdBy,
          expires_at: expiresAt,
          failures,
        })
        .execute();
    },
    find: async (id) => {
      const row = await db
        .selectFrom('enrollment_tokens')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst();
      return (
        row && {
          id: row.id,
          directory: row.directory,
          ...(row.secret !== null && { secret: row.secret }),
          createdBy: row.created_by,
          expiresAt: row.expires_at,
          failures: row.failures,
        }
      );
    },
    use: async (id) => {
      const used = await db
        .updateTable('enrollment_tokens')
        .set({ secret: null })
        .where('id', '=', id)
        .where('secret', 'is not', null)
        .executeTakeFirst();
      return used.numUpdatedRows === 1n;
    },
    fail: async (id) => {
      const row = await db
        .updateTable('enrollment_tokens')
        .set((eb) => ({ failures: eb('failures', '+', 1) }))
        .where('id', '=', id)
        .returning('failures')
        .executeTakeFirst();
      return row?.failures ?? 0;
    },
  };
}

/** `ApiKeys` on a database. */
export function apiKeyTable(db: Kysely<Tables>): ApiKeys {
  return {
    add: async ({ id, directory, scopes, actor, createdAt }, hash) => {
      await db
        .insertInto('api_keys')
        .values({ id, directory, hash, scopes: scopes.join(' '), actor, created_at: createdAt })
        .execute();
    },
    findByHash: async (hash) => {
      const row = await db
        .selectFrom('api_keys')
        .selectAll()
        .where('hash', '=', hash)
        .executeTakeFirst();
      return row && toKey(row);
    },
    list: async () => {
      const rows = await db.selectFrom('api_keys').selectAll().orderBy('created_at').execute();
      return rows.map(toKey);
    },
    remove: async (id) => {
      const row = await db
        .deleteFrom('api_keys')
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirst();
      return row && toKey(row);
    },
  };
}

export function toKey({
  id,
  directory,
  scopes,
  actor,
  created_at,
}: Selectable<ApiKeyTable>): ApiKeyRecord {
  // The scopes are as `add` wrote them.
  return { id, directory, scopes: scopes.split(' ') as Scope[], actor, createdAt: created_at };
}
