import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  bringForward,
  FolderVersionError,
  knownVersion,
  markNewest,
  type FolderStep,
} from '../../src/support/folder-version.ts';
import { packageVersion } from '../../src/support/version.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

let temporary: TemporaryFolder;
let folder: string;

beforeEach(async () => {
  temporary = await temporaryFolder();
  folder = temporary.path;
});

afterEach(() => temporary[Symbol.asyncDispose]());

const mark = async (): Promise<unknown> =>
  JSON.parse(await readFile(join(folder, 'version.json'), 'utf8'));

const putMark = (text: string): Promise<void> => writeFile(join(folder, 'version.json'), text);

/** Every file of the folder with its content. */
async function content(): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return Object.fromEntries(names.map((name, i) => [name, texts[i] ?? '']));
}

/** What each step does: one file becomes two, then each of them gets a line. */
const split: FolderStep = async (path) => {
  const both = await readFile(join(path, 'both'), 'utf8');
  const [first = '', second = ''] = both.split(' ');
  await writeFile(join(path, 'first'), first);
  await writeFile(join(path, 'second'), second);
};
const stamp: FolderStep = async (path) => {
  for (const name of ['first', 'second']) {
    const [text = ''] = (await readFile(join(path, name), 'utf8')).split('\n');
    await writeFile(join(path, name), `${text}\nstamped`);
  }
};
const STEPS = [split, stamp];

test('a folder without a mark is of version 1, and so is one that is not there', async () => {
  expect(await knownVersion(folder, STEPS)).toBe(1);
  expect(await knownVersion(join(folder, 'nowhere'), STEPS)).toBe(1);
});

test('a folder that is being made is of the newest version and needs no step', async () => {
  await markNewest(folder, STEPS);
  expect(await knownVersion(folder, STEPS)).toBe(3);
  expect(await bringForward(folder, STEPS)).toBe(3);
  expect(await content()).toEqual({ 'version.json': `{"version":3,"by":"${packageVersion()}"}\n` });
});

test('a folder of before gets every step once, and its mark', async () => {
  await writeFile(join(folder, 'both'), 'one two');
  expect(await bringForward(folder, STEPS)).toBe(1);
  const after = await content();
  expect(after).toMatchObject({ first: 'one\nstamped', second: 'two\nstamped' });
  expect(await mark()).toEqual({ version: 3, by: packageVersion() });
  await writeFile(join(folder, 'both'), 'not read again');
  expect(await bringForward(folder, STEPS)).toBe(3);
  expect(await content()).toEqual({ ...after, both: 'not read again' });
});

test('a folder without a mark that needs no step is marked all the same', async () => {
  expect(await bringForward(folder, [])).toBe(1);
  expect(await mark()).toEqual({ version: 1, by: packageVersion() });
});

test('killed in any step it is refused by who knows less, and the next call ends it', async () => {
  for (let dies = 0; dies < STEPS.length; dies += 1) {
    await using other = await temporaryFolder();
    await writeFile(join(other.path, 'both'), 'one two');
    const dying = STEPS.map<FolderStep>((step, i) => async (path) => {
      await step(path);
      if (i === dies) throw new Error('killed');
    });
    await expect(bringForward(other.path, dying)).rejects.toThrow('killed');
    // Some of it is of version 3 already: a program of version 1 or 2 must not go on with it.
    for (const fewer of [[], [split]]) {
      await expect(bringForward(other.path, fewer)).rejects.toMatchObject({ code: 'FOLDER_NEWER' });
    }
    expect(await knownVersion(other.path, STEPS)).toBe(1);
    expect(await bringForward(other.path, STEPS)).toBe(1);
    expect(await readFile(join(other.path, 'second'), 'utf8')).toBe('two\nstamped');
    expect(await knownVersion(other.path, STEPS)).toBe(3);
  }
});

test('killed half-way, a program that knows more takes all steps from where it began', async () => {
  await writeFile(join(folder, 'both'), 'one two');
  await putMark('{"version":2,"by":"0.2.0","from":1}');
  expect(await bringForward(folder, STEPS)).toBe(1);
  expect(await content()).toMatchObject({ first: 'one\nstamped' });
  expect(await mark()).toEqual({ version: 3, by: packageVersion() });
});

test('a folder of a later program is refused by its name, and nothing in it is changed', async () => {
  await putMark('{"version":4,"by":"0.9.0","mood":"good"}');
  const before = await content();
  for (const use of [knownVersion, bringForward]) {
    const refused = await use(folder, STEPS).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(FolderVersionError);
    expect(refused).toMatchObject({
      code: 'FOLDER_NEWER',
      retryable: false,
      message: expect.stringMatching(
        /brought to version 4 by passback 0\.9\.0, .* knows 3 at the most: install passback 0\.9\.0 or newer again/,
      ) as string,
    });
  }
  expect(await content()).toEqual(before);
});

test.each(['', '{', '{"version":"2","by":"x"}', '{"version":0,"by":"x"}', '[]'])(
  'a mark that says nothing (%j) is no version 1',
  async (text) => {
    await putMark(text);
    await expect(bringForward(folder, STEPS)).rejects.toMatchObject({
      code: 'FOLDER_VERSION_UNREADABLE',
      message: expect.stringContaining('delete it') as string,
    });
    expect(await content()).toEqual({ 'version.json': text });
  },
);
