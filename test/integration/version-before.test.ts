import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

// What scripts/test-versions tries this checkout with, in clones of a project that has the same scripts.

const run = promisify(execFile);
const SCRIPTS = join(import.meta.dirname, '../../scripts');
const WHO = ['-c', 'user.name=A', '-c', 'user.email=a@example.com'];

interface Clone {
  readonly folder: string;
  git(...args: readonly string[]): Promise<string>;
  /** Makes a commit that changes the file, or one that changes nothing. Resolves with its short name. */
  commit(file?: string): Promise<string>;
}

function cloneAt(folder: string): Clone {
  const git = async (...args: readonly string[]): Promise<string> =>
    (await run('git', [...WHO, ...args], { cwd: folder })).stdout.trim();
  const commit = async (file?: string): Promise<string> => {
    if (file !== undefined) {
      await mkdir(join(folder, file, '..'), { recursive: true });
      await writeFile(join(folder, file), '{}\n');
      await git('add', file);
    }
    await git('commit', '--allow-empty', '--message', 'change');
    return git('rev-parse', '--short', 'HEAD');
  };
  return { folder, git, commit };
}

async function project(): Promise<Clone> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const clone = cloneAt(join(folder.path, 'project'));
  await cp(join(SCRIPTS, 'lib'), join(clone.folder, 'scripts/lib'), { recursive: true });
  await clone.git('init', '--quiet');
  return clone;
}

async function versionBefore({ folder }: Clone): Promise<string> {
  const libraries = ['prerequisites', 'version-before'].map((name) => `. scripts/lib/${name}.sh`);
  const script = [...libraries, 'version_before'].join('\n');
  return (await run('bash', ['-euc', script], { cwd: folder })).stdout.trim();
}

const NONE = /This clone has no earlier version.*--unshallow/;

test('the version before is the newest one with a tag, but not the commit that is checked out', async () => {
  const clone = await project();
  for (const tag of ['v0.9.0', 'v0.10.0', 'v0.10.1-rc.1', 'v0.10.1']) {
    await clone.commit();
    await clone.git('tag', tag);
  }
  expect(await versionBefore(clone)).toBe('v0.10.1-rc.1');
  await clone.commit();
  await clone.git('tag', 'version-of-today');
  expect(await versionBefore(clone)).toBe('v0.10.1');
});

test('a tag of another branch is no version before this one', async () => {
  const clone = await project();
  await clone.commit();
  await clone.git('tag', 'v1.0.0');
  await clone.git('checkout', '--quiet', '-b', 'other');
  await clone.commit();
  await clone.git('tag', 'v2.0.0');
  await clone.git('checkout', '--quiet', '-');
  await clone.commit();
  expect(await versionBefore(clone)).toBe('v1.0.0');
});

test('without a tag it is the commit that recorded what the newest version leaves on disk', async () => {
  const clone = await project();
  await clone.commit('test/fixtures/v0.9/recording.json');
  const recorded = await clone.commit('test/fixtures/v0.10/recording.json');
  await expect(versionBefore(clone)).rejects.toThrow(NONE);
  await clone.commit();
  expect(await versionBefore(clone)).toBe(recorded);
});

test('a shallow clone does not take its oldest commit for it, and is refused', async () => {
  const clone = await project();
  await clone.commit('test/fixtures/v0.1/recording.json');
  for (let more = 0; more < 3; more++) await clone.commit();
  const shallow = cloneAt(`${clone.folder}-shallow`);
  await clone.git('add', 'scripts');
  await clone.commit();
  await clone.git('clone', '--quiet', '--depth', '2', `file://${clone.folder}`, shallow.folder);
  await expect(versionBefore(shallow)).rejects.toThrow(NONE);
  await shallow.git('fetch', '--quiet', '--unshallow');
  expect(await versionBefore(shallow)).toBe(await versionBefore(clone));
});
