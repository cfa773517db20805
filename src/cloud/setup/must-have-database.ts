import { access } from 'node:fs/promises';
import { ConfigError } from '../../support/config-error.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { dataFolder } from '../data-folder.ts';

export const MISSING_DATABASE =
  'Put the data folder back from a backup: agents, keys, revocations and pauses were in it. To begin anew make another folder with passback-cloud init.';

/**
 * Refuses a data folder that has lost its database, which `init` makes with the keys: an empty one in its
 * place would know of no agent that was revoked. Rejects with `ConfigError`.
 */
export async function mustHaveDatabase(
  config: Pick<CloudConfig, 'dataFolder' | 'database'>,
): Promise<void> {
  if (config.database !== undefined) return;
  const path = dataFolder(config.dataFolder).database;
  try {
    await access(path);
  } catch {
    throw new ConfigError([
      { key: 'dataFolder', problem: `there is no ${path}. ${MISSING_DATABASE}` },
    ]);
  }
}
