import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scrubbed } from '../../support/bundle/scrub.ts';
import { parseJson } from '../../support/parse-json.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { dataFolder } from '../data-folder.ts';
import { parsePostgresUrl } from '../store/postgres-place.ts';

/** What must not be in a support bundle however it came there: private keys, and the database's password. Never rejects. */
export async function secretsOf(config: CloudConfig | undefined): Promise<readonly Scrubbed[]> {
  if (config === undefined) return [];
  const { keys } = dataFolder(config.dataFolder);
  const names = await readdir(keys).catch(() => [] as string[]);
  const paths = names.filter((name) => name.endsWith('.json')).map((name) => join(keys, name));
  const secrets = (await Promise.all(paths.map(keyIn))).flat();
  const url = await textOf(config.database?.urlFile);
  const place = parsePostgresUrl(url);
  const database = 'problem' in place ? [url] : [url, place.password.reveal()];
  return [...secrets, ...database].map((text) => ({ text, by: '[secret]' }));
}

/** The private parts of a JWK (RFC 7518 sections 6.2.2 and 6.4). */
async function keyIn(path: string): Promise<readonly string[]> {
  const jwk = parseJson(await textOf(path));
  if (typeof jwk !== 'object' || jwk === null) return [];
  const { d, k } = jwk as Readonly<Record<string, unknown>>;
  return [d, k].filter((part) => typeof part === 'string');
}

/** Empty for what is not there, or not to be read. */
async function textOf(path: string | undefined): Promise<string> {
  if (path === undefined) return '';
  return (await readFile(path, 'utf8').catch(() => '')).trim();
}
