import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A package of npm's registry, by its exact version and the hash of its archive. */
export interface Fetched {
  readonly name: string;
  readonly version: string;
  /** As package-lock.json writes it: `sha512-…`. */
  readonly integrity: string;
}

/**
 * The archive of a package, from a cache of its own (npm installs only what is for this platform).
 * The hash is checked each time, whoever has been at the cache. Rejects when it is another one.
 */
export async function fetchPackage({ name, version, integrity }: Fetched): Promise<string> {
  const folder = join(cacheFolder(), 'packages');
  await mkdir(folder, { recursive: true });
  const file = `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
  const path = join(folder, file);
  if ((await integrityOf(path)) === integrity) return path;
  const own = join(folder, randomUUID());
  await mkdir(own);
  try {
    await run('npm', ['pack', `${name}@${version}`, '--ignore-scripts', '--pack-destination', own]);
    const found = await integrityOf(join(own, file));
    if (found !== integrity) {
      throw new Error(
        `${name} ${version} is not what it was: its hash is ${found ?? 'unknown'}, expected ${integrity}. Do not go on before you know why.`,
      );
    }
    await rename(join(own, file), path);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
  return path;
}

/** Takes files and folders of an archive, without the folder that all of them are in. */
export async function unpack(
  archive: string,
  members: readonly string[],
  into: string,
): Promise<void> {
  await mkdir(into, { recursive: true });
  const within = members.map((member) => `package/${member}`);
  const flags = ['--strip-components=1', '--no-same-owner', '-C', into];
  await run('tar', ['-xzf', archive, ...flags, ...within]);
}

async function integrityOf(path: string): Promise<string | undefined> {
  const content = await readFile(path).catch(() => undefined); // not fetched yet
  if (content === undefined) return undefined;
  return `sha512-${createHash('sha512').update(content).digest('base64')}`;
}

function cacheFolder(): string {
  const { PASSBACK_LAB_HOME: own, XDG_CACHE_HOME: cache } = process.env;
  return own ?? join(cache ?? join(homedir(), '.cache'), 'passback');
}
