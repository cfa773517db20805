import { sql, type Kysely } from 'kysely';
import { migrations } from './migrations.ts';
import { StoreError } from './store.ts';

/** How the schema of a database compares with this program's; `absent`: nothing of ours is in it yet. */
export interface Schema {
  readonly schema: 'current' | 'older' | 'newer' | 'absent';
  /** What it was brought up to date by and is not known here. */
  readonly unknown: readonly string[];
  /** The last of this program's migrations that it has had. */
  readonly version?: string;
}

/** Looks and changes nothing. Rejects with `StoreError`. */
export async function schemaOf<T>(db: Kysely<T>): Promise<Schema> {
  const done = await executedIn(db);
  if (done.length === 0) return { schema: 'absent', unknown: [] };
  const known = Object.keys(await migrations.getMigrations());
  const unknown = done.filter((name) => !known.includes(name));
  const version = known.findLast((name) => done.includes(name));
  const isWhole = known.every((name) => done.includes(name));
  const schema = unknown.length > 0 ? 'newer' : isWhole ? 'current' : 'older';
  return { schema, unknown, ...(version !== undefined && { version }) };
}

async function executedIn<T>(db: Kysely<T>): Promise<readonly string[]> {
  const tables = await introspect(db);
  if (!tables.includes('kysely_migration')) return [];
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
  return rows.map(({ name }) => name);
}

async function introspect<T>(db: Kysely<T>): Promise<readonly string[]> {
  try {
    const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
    return tables.map(({ name }) => name);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError('store: the file is no database; put the data folder back from a backup', {
      cause: error,
    });
  }
}
