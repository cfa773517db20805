import type { CloudConfig } from '../config/cloud-config.ts';
import { dataFolder } from '../data-folder.ts';
import { openPostgresStore } from './postgres.ts';
import { readPostgresPlace } from './postgres-place.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';

/** The database that the configuration names. Rejects with `StoreError`, `ConfigError` or `FolderError`. */
export async function openStore(
  config: Pick<CloudConfig, 'dataFolder' | 'database'>,
): Promise<Store> {
  const { database } = config;
  if (database === undefined) return openSqliteStore(dataFolder(config.dataFolder).database);
  return openPostgresStore(await readPostgresPlace(database));
}
