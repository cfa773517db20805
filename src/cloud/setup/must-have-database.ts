import { ConfigError } from '../../support/config-error.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { openStore } from '../store/open-store.ts';
import { readSchemaState } from '../store/schema-state.ts';
import type { Store } from '../store/store.ts';

type Where = Pick<CloudConfig, 'dataFolder' | 'database'>;

/** What is said of a data folder that has lost its database, and what to do. */
export function lostDatabase(path: string): [found: string, remedy: string] {
  return [
    `${path} is not there, or there is nothing in it`,
    'Put the data folder back from a backup: agents, keys, revocations and pauses were in it. To begin anew make another folder with passback-cloud init.',
  ];
}

/**
 * Refuses a data folder that has lost its database, which `init` makes with the keys: an empty one in its
 * place would know of no agent that was revoked. Rejects with `ConfigError`, or with `StoreError` when what
 * is there is no database.
 */
export async function mustHaveDatabase(config: Where): Promise<void> {
  if (config.database !== undefined) return;
  const { schema, place } = await readSchemaState(config);
  if (schema !== 'absent') return;
  throw new ConfigError([{ key: 'dataFolder', problem: lostDatabase(place).join('. ') }]);
}

/** The database of a service that `init` has made. Rejects as `mustHaveDatabase` and `openStore` do. */
export async function openMadeStore(config: Where): Promise<Store> {
  await mustHaveDatabase(config);
  return openStore(config);
}
