import { mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import { storeContract } from './store-contract.ts';

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
  const toggle = { version: 1, enabled: true, reason: '', by: 'anna', at: 1 };
  {
    await using store = await openSqliteStore(path);
    await store.directories.add({ id: 'corp', createdAt: 1, toggle });
  }
  await using store = await openSqliteStore(path);
  expect(await store.directories.find('corp')).toBeDefined();
});

test('a database that cannot be opened is a store error that names the file', async () => {
  await expect(openSqliteStore('/nowhere/cloud.db')).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('/nowhere/cloud.db') as unknown,
  });
});

function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'passback-store-'));
}
