import { join } from 'node:path';
import { stringify } from 'yaml';
import { CONFIG_VERSION } from '../config/load-config.ts';
import { privateFolder, writeFileDurably } from '../../support/files.ts';
import type { DataFolder } from '../data-folder.ts';
import { createKeys } from '../keys/create-keys.ts';
import { openStore } from '../store/open-store.ts';
import type { PostgresSettings } from '../store/postgres-place.ts';

export interface InitWish {
  readonly url: string;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Absent: SQLite in the folder. */
  readonly database?: PostgresSettings | undefined;
}

export interface Initialised {
  /** Thumbprint of the root key: every enrolment token pins it. */
  readonly root: string;
  readonly rootFile: string;
  readonly keySetExpiresAt: number;
}

/**
 * Makes keys, configuration and the tables in an empty database. Rejects with `KEYS_EXIST` when there
 * are keys.
 */
export async function initService(
  folder: DataFolder,
  wish: InitWish,
  now: number,
): Promise<Initialised> {
  await privateFolder(folder.path);
  // What can be wrong with a database elsewhere shows before there is anything to take back.
  if (wish.database !== undefined) await reach(folder, wish);
  const { root, expiresAt } = await createKeys(folder.keys, wish.url, now);
  await writeFileDurably(folder.config, configText(wish));
  await reach(folder, wish);
  return {
    root: root.kid,
    rootFile: join(folder.keys, 'root.json'),
    keySetExpiresAt: expiresAt,
  };
}

async function reach({ path }: DataFolder, { database }: InitWish): Promise<void> {
  await using store = await openStore({
    dataFolder: path,
    ...(database !== undefined && { database }),
  });
  await store.ping();
}

function configText(wish: InitWish): string {
  const { url, host, port, certificateFile, keyFile, database } = wish;
  const listen = { host, port, certificateFile, keyFile };
  const set = Object.fromEntries(Object.entries(listen).filter(([, value]) => value !== undefined));
  const settings = {
    version: CONFIG_VERSION,
    url,
    ...(Object.keys(set).length > 0 && { listen: set }),
    ...(database !== undefined && { database }),
  };
  return `# Every setting is explained in passback-cloud.example.yaml (config/, or /usr/share/doc/passback-cloud/examples/).\n${stringify(settings)}`;
}
