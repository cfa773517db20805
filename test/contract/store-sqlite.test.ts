import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import { temporaryFolder as makeFolder } from '../support/temporary-folder.ts';
import { sampleOperation, storeContract } from './store-contract.ts';

const folders: AsyncDisposable[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await folder[Symbol.asyncDispose]();
});

const CORP = {
  ...{ id: 'corp', createdAt: 1 },
  toggle: { version: 1, enabled: true, reason: '', by: 'anna', at: 1 },
};

storeContract('SQLite', async () => openSqliteStore(join(await temporaryFolder(), 'cloud.db')));

test('the database and its journals are readable by their owner only', async () => {
  const path = join(await temporaryFolder(), 'cloud.db');
  await using store = await openSqliteStore(path);
  await store.ping();
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  }
});

test('a database is there again after it was closed', async () => {
  const path = join(await temporaryFolder(), 'cloud.db');
  {
    await using store = await openSqliteStore(path);
    await store.directories.add(CORP);
  }
  await using store = await openSqliteStore(path);
  expect(await store.directories.find('corp')).toBeDefined();
});

test('a database that was closed is one file, all of it, for whoever copies it', async () => {
  const folder = await temporaryFolder();
  {
    await using store = await openSqliteStore(join(folder, 'cloud.db'));
    await store.ping();
    expect(await readdir(folder)).toContain('cloud.db-wal');
  }
  expect(await readdir(folder)).toEqual(['cloud.db']);
});

test('whoever closes a database leaves its journals to another one that has it open', async () => {
  const folder = await temporaryFolder();
  await using stays = await openSqliteStore(join(folder, 'cloud.db'));
  await stays.directories.add({ ...CORP, id: 'first' });
  {
    await using goes = await openSqliteStore(join(folder, 'cloud.db'));
    await goes.directories.add({ ...CORP, id: 'second' });
  }
  expect(await readdir(folder)).toContain('cloud.db-wal');
  await stays.directories.add({ ...CORP, id: 'third' });
  expect((await stays.directories.list()).map(({ id }) => id)).toEqual([
    'first',
    'second',
    'third',
  ]);
});

test('a secret that was deleted is in no file of the database once that was scrubbed', async () => {
  const path = join(await temporaryFolder(), 'cloud.db');
  const found = async (): Promise<boolean> => {
    const files = await Promise.all([path, `${path}-wal`].map((file) => readFile(file, 'latin1')));
    return files.some((text) => text.includes('wrapped-secret-of-o'));
  };
  await using store = await openSqliteStore(path);
  await store.directories.add(CORP);
  await store.operations.prepare(sampleOperation('o'));
  const secret = 'wrapped-secret-of-o'.padEnd(3_000, '.');
  await store.operations.submit([{ id: 'o', content: 'digest', secret }]);
  expect(await found()).toBe(true);
  await store.operations.finish('o', { state: 'applied', final: true }, 1);
  await store.scrub();
  expect(await found()).toBe(false);
});

test('a database that cannot be opened is a store error that names the file', async () => {
  await expect(openSqliteStore('/nowhere/cloud.db')).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('/nowhere/cloud.db') as unknown,
  });
});

async function temporaryFolder(): Promise<string> {
  const folder = await makeFolder();
  folders.push(folder);
  return folder.path;
}
