import type { Kysely } from 'kysely';

/** Where the dialects do not share a spelling. */
export function isSqlite(db: Kysely<unknown>): boolean {
  return db.getExecutor().adapter.constructor.name === 'SqliteAdapter';
}
