import { access } from 'node:fs/promises';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import Database from 'libsql';
import type { CloudConfig } from '../config/cloud-config.ts';
import { dataFolder } from '../data-folder.ts';
import { schemaOf, type Schema } from './executed-migrations.ts';
import { postgresPool } from './postgres-pool.ts';
import { readPostgresPlace } from './postgres-place.ts';
import { StoreError } from './store.ts';

/** The schema of a database, `absent` also where there is no database yet. */
export interface SchemaState extends Schema {
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
    return { ...schema, place: `${place.database} on ${place.host}:${place.port}` };
  }
  const path = dataFolder(config.dataFolder).database;
  if (!(await isThere(path))) return { schema: 'absent', unknown: [], place: path };
  const database = openReadOnly(path);
  const schema = await schemaIn(new Kysely({ dialect: new SqliteDialect({ database }) }));
  return { ...schema, place: path };
}

function openReadOnly(path: string): Database.Database {
  try {
    return new Database(path, { readonly: true });
  } catch (error) {
    throw new StoreError(`store: ${path} cannot be opened as a database`, { cause: error });
  }
}

async function schemaIn(db: Kysely<unknown>): Promise<Schema> {
  try {
    return await schemaOf(db);
  } finally {
    await db.destroy();
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
