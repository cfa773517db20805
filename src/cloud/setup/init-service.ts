import { join } from 'node:path';
import { stringify } from 'yaml';
import { privateFolder, writeFileDurably } from '../../support/files.ts';
import type { DataFolder } from '../data-folder.ts';
import { createKeys } from '../keys/create-keys.ts';
import { openSqliteStore } from '../store/sqlite.ts';

export interface InitWish {
  readonly url: string;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export interface Initialised {
  /** Thumbprint of the root key: every enrolment token pins it. */
  readonly root: string;
  readonly rootFile: string;
  readonly keySetExpiresAt: number;
}

/** Makes keys, configuration and an empty database. Rejects with `KEYS_EXIST` when there are keys. */
export async function initService(
  folder: DataFolder,
  wish: InitWish,
  now: number,
): Promise<Initialised> {
  await privateFolder(folder.path);
  const { root, expiresAt } = await createKeys(folder.keys, wish.url, now);
  await writeFileDurably(folder.config, configText(wish));
  await using store = await openSqliteStore(folder.database);
  await store.ping();
  return {
    root: root.kid,
    rootFile: join(folder.keys, 'root.json'),
    keySetExpiresAt: expiresAt,
  };
}

function configText({ url, host, port, certificateFile, keyFile }: InitWish): string {
  const listen = { host, port, certificateFile, keyFile };
  const set = Object.fromEntries(Object.entries(listen).filter(([, value]) => value !== undefined));
  const settings = Object.keys(set).length > 0 ? { url, listen: set } : { url };
  return `# Every setting is explained in config/passback-cloud.example.yaml.\n${stringify(settings)}`;
}
