import { access } from 'node:fs/promises';
import { Kysely, PostgresDialect, sql, SqliteDialect } from 'kysely';
import Database from 'libsql';
import type { CloudConfig } from '../config/cloud-config.ts';
import { dataFolder } from '../data-folder.ts';
import { migrations } from './migrations.ts';
import { postgresPool } from './postgres-pool.ts';
import { readPostgresPlace } from './postgres-place.ts';
import { StoreError } from './store.ts';

/** How the schema of a database compares with this program's. */
export interface SchemaState {
  /** `absent`: there is no database, or nothing of ours in it, yet. */
  readonly schema: 'current' | 'older' | 'newer' | 'absent';
  /** Where it is, without a password. */
  readonly place: string;
}

/**
 * Looks into the database and brings nothing up to date. Rejects with `StoreError`, `ConfigError` or
 * `FolderError`, which name the cure.
 */
export async function readSchemaState(
  config: Pick<CloudConfig, 'dataFolder' | 'database'>,
): Promise<SchemaState> {
  if (config.database !== undefined) {
    const place = await readPostgresPlace(config.database);
    const pool = postgresPool({ ...place, poolSize: 1 });
    const schema = await schemaIn(new Kysely({ dialect: new PostgresDialect({ pool }) }));
    return { schema, place: `${place.database} on ${place.host}:${place.port}` };
  }
  const path = dataFolder(config.dataFolder).database;
  if (!(await isThere(path))) return { schema: 'absent', place: path };
  const database = openReadOnly(path);
  const schema = await schemaIn(new Kysely({ dialect: new SqliteDialect({ database }) }));
  return { schema, place: path };
}

function openReadOnly(path: string): Database.Database {
  try {
    return new Database(path, { readonly: true });
  } catch (error) {
    throw new StoreError(`store: ${path} cannot be opened as a database`, { cause: error });
  }
}

async function schemaIn(db: Kysely<unknown>): Promise<SchemaState['schema']> {
  try {
    const done = await executedIn(db);
    if (done.length === 0) return 'absent';
    const known = Object.keys(await migrations.getMigrations());
    if (done.some((name) => !known.includes(name))) return 'newer';
    return known.every((name) => done.includes(name)) ? 'current' : 'older';
  } finally {
    await db.destroy();
  }
}

async function executedIn(db: Kysely<unknown>): Promise<readonly string[]> {
  const tables = await introspect(db);
  if (!tables.includes('kysely_migration')) return [];
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
  return rows.map(({ name }) => name);
}

async function introspect(db: Kysely<unknown>): Promise<readonly string[]> {
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

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false; // whatever stands in the way, the check of the folder says
  }
}
