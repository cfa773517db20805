import { cp, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseDocument } from 'yaml';
import { dataFolder, type DataFolder } from '../../src/cloud/data-folder.ts';
import type { PostgresPlace, PostgresSettings } from '../../src/cloud/store/postgres-place.ts';
import { privateFolder } from '../../src/support/files.ts';

/** One process of the service, set up as on a machine of its own. */
export interface ServiceNode {
  readonly dataFolder: string;
  readonly host: string;
  readonly port: number;
}

/** Copies to a node what an admin would; only the port is not the same, because it is on one machine. */
export async function setUpLike(first: ServiceNode, node: ServiceNode): Promise<void> {
  const [from, to] = [dataFolder(first.dataFolder), dataFolder(node.dataFolder)];
  await copyKeys(from, to);
  const config = parseDocument(await readFile(from.config, 'utf8'));
  config.setIn(['listen', 'port'], node.port);
  await writeFile(to.config, String(config), { mode: 0o600 });
}

/** What another node needs of the first one's folder: the keys, but not the root, which signs no command. */
export async function copyKeys(from: DataFolder, to: DataFolder): Promise<void> {
  await privateFolder(to.path);
  await privateFolder(to.keys);
  const filter = (file: string): boolean => basename(file) !== 'root.json';
  await cp(from.keys, to.keys, { recursive: true, filter });
}

/** Writes the files that a node's configuration names, and resolves with that part of it. */
export async function writeDatabaseFiles(
  path: string,
  place: PostgresPlace,
): Promise<PostgresSettings> {
  const { host, port, user, password, database, tls, poolSize } = place;
  const [urlFile, caFile] = [join(path, 'database.url'), join(path, 'database-ca.pem')];
  const way = tls === undefined ? '' : '?sslmode=verify-full';
  const url = `postgres://${user}:${password.reveal()}@${host}:${port}/${database}${way}`;
  await writeFile(urlFile, url, { mode: 0o600 });
  if (tls?.ca === undefined) return { urlFile, poolSize };
  await writeFile(caFile, tls.ca);
  return { urlFile, caFile, poolSize };
}
