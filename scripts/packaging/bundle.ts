import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { compile } from './compile.ts';
import { fetchPackage, unpack } from './fetch-package.ts';
import { licenceTexts } from './licences.ts';
import { entryOf, lockKeyOf, readLock, type Lock } from './lock.ts';
import { strangers } from './own-packages.ts';
import {
  NODE_RUNTIMES,
  PROGRAMS,
  type LoosePackage,
  type NodeRuntime,
  type Platform,
  type ProgramName,
} from './programs.ts';
import { bomOf, type Bom } from './sbom.ts';
import { settle, sha256Of } from './settle.ts';
import { addWindowsFiles } from './windows-files.ts';

export interface BundleWish {
  readonly root: string;
  readonly program: ProgramName;
  readonly platform: Platform;
  /** The bundle is the folder PROGRAM-PLATFORM in it; an older one is replaced. */
  readonly out: string;
  readonly version: string;
  /** Seconds since 1970 that every file bears. */
  readonly epoch: number;
  /** What `npmSbom` said. */
  readonly sbom: Bom;
}

/** Makes one bundle and resolves with its folder. */
export async function makeBundle(wish: BundleWish): Promise<string> {
  const { root, program, platform } = wish;
  const folder = join(wish.out, `${program}-${platform}`);
  const parts = PROGRAMS[program];
  const loose = parts.platforms[platform];
  if (loose === undefined) throw new Error(`there is no ${program} for ${platform}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });

  const lock = await readLock(root);
  const entries = { ...parts.entries, ...parts.entriesOn?.[platform] };
  const sources = await compile(root, { entries }, folder);
  const foreign = strangers(program, sources, lock);
  if (foreign.length > 0) throw new Error(`not for ${program}: ${foreign.join(', ')}`);
  const node = NODE_RUNTIMES[platform];
  await addNode(node, folder);
  for (const one of loose) await addLoose(one, lock, folder);

  const keys = packageKeys(sources, loose);
  // Those made for another platform are not installed here.
  const looseKeys = loose.map(keyOfLoose);
  const folderOf = (key: string): string => join(looseKeys.includes(key) ? folder : root, key);
  await writeFile(
    join(folder, 'THIRD-PARTY-LICENSES.txt'),
    await licenceTexts(
      keys.map((key) => ({ id: idOf(key, lock), folder: folderOf(key) })),
      { version: node.version, text: await nodeLicence(folder) },
    ),
  );
  await writeFile(
    join(folder, 'sbom.cdx.json'),
    await sbomText(wish, { keys, lock, node, folder }),
  );
  await addOwnFiles(wish, folder);
  const programs = [node.file, launcher(program, platform).file];
  await settle(folder, { programs, epoch: wish.epoch });
  return folder;
}

/** Keys in the lock file of all packages that are in the bundle, sorted. */
function packageKeys(
  sources: readonly string[],
  loose: readonly LoosePackage[],
): readonly string[] {
  const compiled = sources.map(lockKeyOf).filter((key) => key !== undefined);
  return [...new Set([...compiled, ...loose.map(keyOfLoose)])].sort();
}

function keyOfLoose({ name }: LoosePackage): string {
  return `node_modules/${name}`;
}

function idOf(key: string, lock: Lock): string {
  const version = lock[key]?.version;
  if (version === undefined) throw new Error(`package-lock.json has no ${key}`);
  return `${key.replace(/.*node_modules\//, '')}@${version}`;
}

async function addNode(node: NodeRuntime, folder: string): Promise<void> {
  const archive = await fetchPackage({ ...node, name: node.package });
  await unpack(archive, [node.path], folder);
  await copyFile(join(folder, node.path), join(folder, node.file));
  await rm(join(folder, 'bin'), { recursive: true });
}

/** The package for Windows has no copy of the licence, the one for Linux has. */
async function nodeLicence(folder: string): Promise<string> {
  const node = NODE_RUNTIMES['linux-x64'];
  const archive = await fetchPackage({ ...node, name: node.package });
  const into = join(folder, 'node-licence');
  await unpack(archive, ['LICENSE'], into);
  const text = await readFile(join(into, 'LICENSE'), 'utf8');
  await rm(into, { recursive: true });
  return text;
}

async function addLoose({ name, keep }: LoosePackage, lock: Lock, folder: string): Promise<void> {
  const { version, integrity } = entryOf(lock, name);
  if (integrity === undefined) throw new Error(`package-lock.json has no hash of ${name}`);
  const archive = await fetchPackage({ name, version, integrity });
  await unpack(archive, keep, join(folder, 'node_modules', name));
}

interface InBundle {
  readonly keys: readonly string[];
  readonly lock: Lock;
  readonly node: NodeRuntime;
  readonly folder: string;
}

async function sbomText(
  { sbom, program, version, epoch }: BundleWish,
  { keys, lock, node, folder }: InBundle,
): Promise<string> {
  const bom = bomOf(sbom, {
    ...{ program, version, epoch, node },
    packages: new Set(keys.map((key) => idOf(key, lock))),
    nodeSha256: await sha256Of(join(folder, node.file)),
  });
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

async function addOwnFiles(
  { root, program, platform, version }: BundleWish,
  folder: string,
): Promise<void> {
  const { exampleConfig } = PROGRAMS[program];
  // By this name the program knows its version, by `type` Node how to read it.
  const manifest = { name: 'passback', version, private: true, type: 'module' };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await copyFile(join(root, exampleConfig), join(folder, basename(exampleConfig)));
  const { file, text } = launcher(program, platform);
  await writeFile(join(folder, file), text);
  if (platform === 'win-x64') await addWindowsFiles(root, folder);
}

/** What a person types. It works through symbolic links, too. */
function launcher(
  program: ProgramName,
  platform: Platform,
): { readonly file: string; readonly text: string } {
  if (platform === 'win-x64') {
    return { file: `${program}.cmd`, text: `@"%~dp0node.exe" "%~dp0${program}.js" %*\r\n` };
  }
  const text = [
    '#!/bin/sh',
    'here=$(dirname "$(readlink -f "$0")")',
    `exec "$here/node" "$here/${program}.js" "$@"`,
  ].join('\n');
  return { file: program, text: `${text}\n` };
}
