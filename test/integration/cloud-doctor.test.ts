import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import Database from 'libsql';
import { expect, onTestFinished, test } from 'vitest';
import { runProgram } from '../../src/cloud/cli/program.ts';
import { dataFolder } from '../../src/cloud/data-folder.ts';
import { examine } from '../../src/cloud/doctor/doctor.ts';
import { lockForServing } from '../../src/cloud/setup/serve-lock.ts';
import type { CheckResult } from '../../src/support/checks.ts';
import { of, only } from '../support/doctor-rig.ts';
import type { Ran } from '../support/run-passback.ts';
import { searchSecrets } from '../support/search-secrets.ts';
import { createTestCa, type CertificateOptions } from '../support/test-ca.ts';

async function cloud(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  let code = 0;
  const never = new AbortController().signal;
  await runProgram(args, {
    env: { PASSBACK_CLOUD_HEALTH_PORT: '1', ...env },
    isInteractive: false,
    print: (text) => out.push(text),
    complain: (text) => err.push(text),
    readInput: async () => '',
    askHidden: async () => '',
    setExitCode: (value) => {
      code = value;
    },
    stopSignals: () => ({ drain: never, abort: never }),
  });
  return { out: out.join('\n'), err: err.join('\n'), code };
}

interface Service {
  readonly data: string;
  readonly path: string;
  readonly run: (env?: Record<string, string>, now?: number) => Promise<readonly CheckResult[]>;
}

async function made(
  certificate: CertificateOptions & { readonly names?: readonly string[] } = {},
): Promise<Service> {
  const path = await mkdtemp(join(tmpdir(), 'passback-cloud-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  const ca = await createTestCa();
  const { names = ['reset.example.com'] } = certificate;
  const notAfter = new Date(Date.now() + 60 * 86_400_000);
  const { cert, key } = await ca.issue(names, { notAfter, ...certificate });
  await writeFile(join(path, 'cert.pem'), cert);
  await writeFile(join(path, 'key.pem'), key, { mode: 0o600 });
  const data = join(path, 'data');
  const tls = ['--cert', join(path, 'cert.pem'), '--key', join(path, 'key.pem')];
  const ran = await cloud(['init', '--url', 'https://reset.example.com', '--data', data, ...tls]);
  expect(ran).toMatchObject({ err: '', code: 0 });
  return {
    data,
    path,
    run: (env = {}, now = Date.now()) =>
      examine({
        file: join(data, 'passback-cloud.yaml'),
        env: { PASSBACK_CLOUD_LISTEN_PORT: '0', PASSBACK_CLOUD_HEALTH_PORT: '0', ...env },
        nodeVersion: 'v24.1.0',
        now,
      }),
  };
}

async function snapshot(path: string): Promise<unknown> {
  const names = (await readdir(path, { recursive: true })).sort();
  return Promise.all(names.map(async (name) => [name, (await stat(join(path, name))).mtimeMs]));
}

test('a new service passes but for its root key, which is to be moved away', async () => {
  const { run, data } = await made();
  const before = await snapshot(data);
  const results = await run();
  expect(results.filter(({ standing }) => standing !== 'pass')).toMatchObject([
    { id: 'keys.root', standing: 'warn' },
  ]);
  expect(await snapshot(data)).toEqual(before);
  await rename(join(data, 'keys', 'root.json'), join(data, '..', 'root.json'));
  expect(only(await run(), 'keys.root').standing).toBe('pass');
});

test('keys that others can read, and keys that are gone, fail', async () => {
  const { run, data } = await made();
  await chmod(join(data, 'keys', 'storage.json'), 0o640);
  expect(only(await run(), 'keys.files')).toMatchObject({
    standing: 'fail',
    commands: [{ lines: [`chmod 600 ${join(data, 'keys', 'storage.json')}`] }],
  });
  await rm(join(data, 'keys', 'storage.json'));
  expect(only(await run(), 'keys.files').found).toContain('storage.json');
});

test('a root key that cannot be looked for is not said to be away', async () => {
  const { run, data } = await made();
  await rm(join(data, 'keys'), { recursive: true });
  await writeFile(join(data, 'keys'), 'a file where the folder should be', { mode: 0o600 });
  expect(only(await run(), 'keys.root')).toMatchObject({ standing: 'fail' });
});

test('a data folder that others can enter fails', async () => {
  const { run, data } = await made();
  await chmod(data, 0o755);
  expect(only(await run(), 'data.folder')).toMatchObject({ standing: 'fail' });
});

test.each([
  ['that ended', { notAfter: new Date(Date.now() - 60_000) }, 'fail'],
  ['that ends soon', { notAfter: new Date(Date.now() + 5 * 86_400_000) }, 'warn'],
  ['for another name', { names: ['other.example.com'] }, 'fail'],
])('a certificate %s is told', async (_, certificate, standing) => {
  const { run } = await made(certificate);
  expect(only(await run(), 'listen.certificate').standing).toBe(standing);
});

test('a port that something else has fails, for the agents as for the probes', async () => {
  const { run } = await made();
  const port = await takenPort();
  const env = { PASSBACK_CLOUD_LISTEN_PORT: port, PASSBACK_CLOUD_HEALTH_PORT: port };
  expect(of(await run(env), 'listen.port')).toMatchObject(
    ['listen.port', 'health.port'].map((about) => ({
      ...{ about, standing: 'fail' },
      remedy: `Stop what uses it, or choose another ${about}.`,
    })),
  );
});

test('a port in use passes while the service of this data folder runs', async () => {
  const { run, data } = await made();
  using _ = lockForServing(dataFolder(data).lock);
  const port = await takenPort();
  const env = { PASSBACK_CLOUD_LISTEN_PORT: port, PASSBACK_CLOUD_HEALTH_PORT: port };
  const found = `127.0.0.1 port ${port} is open: the service is running`;
  expect(of(await run(env), 'listen.port')).toMatchObject([
    { standing: 'pass', found },
    { standing: 'pass', found },
  ]);
});

async function takenPort(): Promise<string> {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  return String((other.address() as AddressInfo).port);
}

test('a key set warns 30 days before it ends, and fails when it has', async () => {
  const { run } = await made();
  const day = 86_400_000;
  const good = only(await run(), 'keys.files');
  const until = Date.parse(/until (\S+)/.exec(good.found)?.[1] ?? '');
  expect(only(await run({}, until - 31 * day), 'keys.files').standing).toBe('pass');
  expect(only(await run({}, until - 29 * day), 'keys.files').standing).toBe('warn');
  expect(only(await run({}, until + 2 * day), 'keys.files').standing).toBe('fail');
});

test('a database of a newer program fails, and one of an older program is left as it is', async () => {
  const { run, data } = await made();
  const path = join(data, 'passback-cloud.db');
  const change = (statement: string): void => {
    const database = new Database(path);
    database.exec(statement);
    database.close();
  };
  change("insert into kysely_migration (name, timestamp) values ('9999-later', '2030')");
  expect(only(await run(), 'database.schema')).toMatchObject({
    standing: 'fail',
    found: expect.stringContaining('a newer passback-cloud') as string,
  });
  change('delete from kysely_migration where name >= (select max(name) from kysely_migration)');
  change('delete from kysely_migration where name >= (select max(name) from kysely_migration)');
  for (const _ of ['first', 'second']) {
    expect(only(await run(), 'database.schema').found).toContain('brings its schema up to date');
  }
});

test('a database that is gone, or is none, fails', async () => {
  const { run, data } = await made();
  const path = dataFolder(data).database;
  for (const end of ['', '-wal', '-shm']) await rm(`${path}${end}`, { force: true });
  expect(only(await run(), 'database.schema')).toMatchObject({
    standing: 'fail',
    remedy: expect.stringContaining('from a backup') as string,
  });
  await writeFile(path, 'no database at all '.repeat(100), { mode: 0o600 });
  expect(only(await run(), 'database.schema')).toMatchObject({ standing: 'fail' });
});

test.each([
  ['has lost its database', []],
  ['has an empty file for a database', ['passback-cloud.db']],
])('nothing begins anew in a data folder that %s', async (_what, left) => {
  const { data } = await made();
  const path = dataFolder(data).database;
  for (const end of ['', '-wal', '-shm']) await rm(`${path}${end}`, { force: true });
  for (const name of left) await writeFile(join(data, name), '', { mode: 0o600 });
  for (const command of [['serve'], ['directory', 'add', 'corp'], ['key', 'list']]) {
    const { code, err } = await cloud([...command, '--data', data]);
    expect({ code, err }).toEqual({
      code: 78,
      err: expect.stringMatching(
        /passback-cloud\.db is not there, or there is nothing in it\. Put the data folder back/,
      ) as string,
    });
  }
  expect((await readdir(data)).filter((name) => name.startsWith('passback-cloud.db'))).toEqual(
    left,
  );
});

test('what a rotation cannot mend is not said to need one', async () => {
  const { run, data } = await made();
  await writeFile(join(data, 'keys', 'storage.json'), 'no key', { mode: 0o600 });
  const { found, commands } = only(await run(), 'keys.files');
  expect({ found, commands }).toEqual({
    found: expect.not.stringMatching(/^keys:/) as string,
    commands: undefined,
  });
});

test('a configuration that is wrong ends with 78, in doctor and config check', async () => {
  const { data } = await made();
  const env = { PASSBACK_CLOUD_LISTEN_PORT: 'x' };
  for (const command of [
    ['doctor'],
    ['config', 'check'],
    ['config', 'check', '--json'],
    ['config', 'show'],
  ]) {
    expect((await cloud([...command, '--data', data], env)).code).toBe(78);
  }
  expect((await cloud(['doctor'])).err).toContain('--data');
});

test('show prints every setting with its source', async () => {
  const { data } = await made();
  const env = { PASSBACK_CLOUD_DRAIN_MS: '500' };
  const { out } = await cloud(['config', 'show', '--data', data], env);
  expect(out.split('\n')).toEqual(
    expect.arrayContaining([
      'url: "https://reset.example.com"   (file)',
      'drainMs: 500   (environment, PASSBACK_CLOUD_DRAIN_MS)',
      'listen.port: 8443   (default)',
      'database.urlFile: none   (default)',
    ]),
  );
  const json = await cloud(['config', 'show', '--data', data, '--json'], env);
  expect(JSON.parse(json.out)).toMatchObject({
    settings: { drainMs: { value: 500, source: 'environment' } },
  });
  expect((await cloud(['config', 'check', '--data', data])).out).toContain('is good');
  expect((await cloud(['version'])).out).toMatch(/^\d+\.\d+\.\d+/);
});

test('a support bundle of a wrong configuration says which settings are wrong, and not what they were given', async () => {
  const { data, path } = await made();
  const out = join(path, 'bundle.tar.gz');
  const planted = { secret: 'Planted-Secret-In-The-Wrong-Place' };
  const ran = await cloud(['support-bundle', '--data', data, '--out', out], {
    PASSBACK_CLOUD_DRAIN_MS: planted.secret,
  });
  expect(ran).toMatchObject({ err: '', code: 0 });
  await promisify(execFile)('tar', ['-xzf', out, '-C', path]);
  const folder = join(path, 'passback-cloud-support');
  expect(JSON.parse(await readFile(join(folder, 'configuration.json'), 'utf8'))).toEqual({
    ok: false,
    wrong: ['drainMs'],
  });
  expect(await searchSecrets(planted, [folder])).toEqual([]);
});

test('a support bundle holds no key, no token and no name', async () => {
  const { data, path } = await made();
  const log = join(path, 'cloud.log');
  const planted = {
    apiKey: 'pbk_PlantedApiKey0123456789',
    actor: 'anna.planted',
    storage: (
      JSON.parse(await readFile(join(data, 'keys', 'storage.json'), 'utf8')) as { k: string }
    ).k,
  };
  const all = Object.values(planted).join(' ');
  const line = { time: new Date().toISOString(), level: 'info', eventId: 1 };
  await writeFile(
    log,
    [
      JSON.stringify({ ...line, event: 'cloud.started', version: 1 }),
      JSON.stringify({
        ...line,
        event: 'cloud.request_failed',
        reason: all,
        path: all,
        actor: all,
        url: planted.actor,
      }),
      all,
    ].join('\n'),
  );
  const out = join(path, 'bundle.tar.gz');
  const ran = await cloud(['support-bundle', '--data', data, '--log', log, '--out', out]);
  expect(ran).toMatchObject({ err: '', code: 0 });
  await promisify(execFile)('tar', ['-xzf', out, '-C', path]);
  const folder = join(path, 'passback-cloud-support');
  expect(await searchSecrets(planted, [folder])).toEqual([]);
  expect(JSON.parse(await readFile(join(folder, 'status.json'), 'utf8'))).toEqual({
    problem: 'no running service of this version answers at http://127.0.0.1:1/status.json',
  });
  expect(await readFile(join(folder, 'log.jsonl'), 'utf8')).toContain('"cloud.started"');
  await writeFile(join(folder, 'more'), planted.storage);
  expect(await searchSecrets(planted, [folder])).toHaveLength(1);
});

test('a key or database password in a sentence is scrubbed also where sentences are let in', async () => {
  const { data, path } = await made();
  const privateKey = async (name: string): Promise<string> => {
    const { d, k } = JSON.parse(await readFile(join(data, 'keys', name), 'utf8')) as {
      d?: string;
      k?: string;
    };
    return d ?? k ?? '';
  };
  const database = join(path, 'database.url');
  const password = 'Planted-Database-1';
  await writeFile(database, `postgres://passback:${password}@127.0.0.1:1/passback`, {
    mode: 0o600,
  });
  const planted = {
    root: await privateKey('root.json'),
    storage: await privateKey('storage.json'),
    password,
  };
  const log = join(path, 'cloud.log');
  const line = { time: new Date().toISOString(), level: 'info', eventId: 1 };
  const reason = `kept ${Object.values(planted).join(' ')}`;
  await writeFile(log, JSON.stringify({ ...line, event: 'cloud.request_failed', reason }));
  const out = join(path, 'bundle.tar.gz');
  const flags = ['--data', data, '--log', log, '--out', out, '--with-accounts'];
  const ran = await cloud(['support-bundle', ...flags], {
    PASSBACK_CLOUD_DATABASE_URL_FILE: database,
  });
  expect(ran).toMatchObject({ err: '', code: 0 });
  await promisify(execFile)('tar', ['-xzf', out, '-C', path]);
  const folder = join(path, 'passback-cloud-support');
  expect(await readFile(join(folder, 'log.jsonl'), 'utf8')).toContain('kept [secret]');
  expect(await searchSecrets(planted, [folder])).toEqual([]);
});
