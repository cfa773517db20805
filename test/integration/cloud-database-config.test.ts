import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/cloud/config/load-config.ts';
import { readPostgresPlace } from '../../src/cloud/store/postgres-place.ts';

const PLANTED = 'planted-password';
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-database-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function problemOf(lines: string, env: Record<string, string> = {}): Promise<string> {
  const file = join(folder, 'passback-cloud.yaml');
  await writeFile(file, `url: https://reset.example\n${lines}\n`);
  return loadConfig(file, env).then(
    () => '',
    (error: unknown) => (error as Error).message,
  );
}

async function place(url: string, caFile?: string): Promise<unknown> {
  const urlFile = join(folder, 'database.url');
  await writeFile(urlFile, `${url}\n`, { mode: 0o600 });
  const settings = { urlFile, poolSize: 10, ...(caFile !== undefined && { caFile }) };
  return readPostgresPlace(settings).catch((error: unknown) => error);
}

test('a database is named by a file, relative to the configuration', async () => {
  const file = join(folder, 'passback-cloud.yaml');
  await writeFile(
    file,
    'url: https://reset.example\ndatabase: { urlFile: db.url, caFile: ca.pem }',
  );
  expect(await loadConfig(file, {})).toMatchObject({
    database: { urlFile: join(folder, 'db.url'), caFile: join(folder, 'ca.pem'), poolSize: 10 },
  });
  await writeFile(file, 'url: https://reset.example');
  expect(await loadConfig(file, {})).not.toHaveProperty('database');
});

test.each([
  ['in the place of the file', `database: { urlFile: "postgres://u:${PLANTED}@h/d" }`],
  ['as a setting of its own', `database: { url: "postgres://u:${PLANTED}@h/d" }`],
  ['instead of the group', `database: "postgres://u:${PLANTED}@h/d"`],
])('a URL %s is refused, and is not shown', async (_where, lines) => {
  const problem = await problemOf(lines);
  expect(problem).toMatch(/database/);
  expect(problem).not.toContain(PLANTED);
});

test('a URL in the environment is refused, and is not shown', async () => {
  const url = `postgres://u:${PLANTED}@h/d`;
  const problem = await problemOf('', { PASSBACK_CLOUD_DATABASE_URL_FILE: url });
  expect(problem).toContain('database.urlFile: expected the path of a file');
  expect(problem).not.toContain(PLANTED);
});

test('a CA without a URL is of no use', async () => {
  expect(await problemOf('database: { caFile: ca.pem }')).toContain('database.urlFile');
});

test('a file with the URL that every account can read is refused', async () => {
  const urlFile = join(folder, 'database.url');
  await writeFile(urlFile, `postgres://u:${PLANTED}@127.0.0.1/d`);
  await chmod(urlFile, 0o644);
  await expect(readPostgresPlace({ urlFile, poolSize: 10 })).rejects.toMatchObject({
    code: 'FILE_NOT_PRIVATE',
  });
});

test('what is wrong with the URL is said without a word of it', async () => {
  const error = await place(`postgres://u:${PLANTED}@db.example.com/d?sslmode=require`);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
  expect((error as Error).message).toContain('sslmode has to be verify-full');
  expect(JSON.stringify(error) + String(error)).not.toContain(PLANTED);
});

test('a CA goes with TLS', async () => {
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, 'PEM');
  expect(await place(`postgres://u:p@127.0.0.1/d`, caFile)).toMatchObject({
    message: expect.stringContaining('database.caFile') as unknown,
  });
  expect(await place(`postgres://u:p@db.example.com/d`, caFile)).toMatchObject({
    host: 'db.example.com',
    tls: { ca: 'PEM' },
  });
  expect(await place(`postgres://u:p@db.example.com/d`, join(folder, 'none.pem'))).toMatchObject({
    message: expect.stringContaining('does not exist') as unknown,
  });
});
