import { randomUUID } from 'node:crypto';
import {
  chmod,
  chown,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runProgram } from '../../src/cloud/cli/program.ts';
import { loadConfig } from '../../src/cloud/config/load-config.ts';
import { dataFolder } from '../../src/cloud/data-folder.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, TEST_DIRECTORY, type TestCloud } from '../support/start-cloud.ts';
import { createTestCa } from '../support/test-ca.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-cli-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Tests run next to each other. */
const ANY_HEALTH_PORT = { PASSBACK_CLOUD_HEALTH_PORT: '0' };

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  args: readonly string[],
  input = '',
  env: Readonly<Record<string, string>> = {},
  typed?: string[],
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  let code = 0;
  await runProgram(args, {
    env,
    isInteractive: typed !== undefined,
    print: (text) => out.push(text),
    complain: (text) => err.push(text),
    readInput: async () => input,
    askHidden: () => {
      const line = typed?.shift();
      return line === undefined
        ? Promise.reject(new Error('asked too often'))
        : Promise.resolve(line);
    },
    setExitCode: (value) => {
      code = value;
    },
    stopSignals: () => ({ drain: AbortSignal.abort(), abort: new AbortController().signal }),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

test('nothing runs with a NODE_DEBUG that would print API keys', async () => {
  const ran = await run(['status'], '', { NODE_DEBUG: 'http' });
  expect(ran).toMatchObject({ code: 1, out: '' });
  expect(ran.err).toContain('NODE_DEBUG');
});

test('a key of the certificate that every account can read stops the start', async () => {
  await using cloud = await startTestCloud();
  await cloud.stop();
  const keyFile = join(cloud.folder.path, '..', 'key.pem');
  await chmod(keyFile, 0o644);
  await expect(cloud.start()).rejects.toMatchObject({ code: 'FILE_NOT_PRIVATE' });
  await chmod(keyFile, 0o640);
  await chmod(cloud.folder.path, 0o750);
  await expect(cloud.start()).rejects.toMatchObject({ code: 'FOLDER_NOT_PRIVATE' });
  await chmod(cloud.folder.path, 0o700);
  await cloud.start();
});

test.runIf(process.geteuid?.() === 0)(
  'root leaves nothing in the data folder of another account',
  async () => {
    const data = join(folder, 'data');
    await run(['init', '--url', 'https://reset.example/', '--data', data]);
    for (const name of ['', ...(await readdir(data, { recursive: true }))]) {
      await chown(join(data, name), 54_321, 54_321);
    }
    const before = await readdir(data, { recursive: true });
    const { code, err } = await run(['directory', 'add', 'corp', '--data', data]);
    expect(code).toBe(1);
    expect(err).toContain('belongs to another account (uid 54321');
    for (const command of ['doctor', 'support-bundle']) {
      const looked = await run([command, '--data', data]);
      expect(looked).toMatchObject({ code: 1, out: '' });
      expect(looked.err).toContain('belongs to another account (uid 54321');
    }
    expect(await readdir(data, { recursive: true })).toEqual(before);
  },
);

test('init, a directory and a key make a data folder that only its owner can read', async () => {
  const data = join(folder, 'data');
  const init = await run([
    'init',
    '--url',
    'https://reset.example/',
    '--data',
    data,
    '--port',
    '0',
  ]);
  expect(init).toMatchObject({ code: 0, err: '' });
  expect(await run(['directory', 'add', 'corp', '--data', data])).toMatchObject({ code: 0 });
  const key = join(folder, 'admin.key');
  const add = ['key', 'add', '--directory', 'corp', '--scopes', 'admin,reset', '--actor', 'anna'];
  const added = await run([...add, '--out', key, '--data', data]);
  expect(added).toMatchObject({ code: 0, err: '' });
  const text = (await readFile(key, 'utf8')).trim();
  expect(text).toMatch(/^pbk_[\w-]{43}$/);
  expect(added.out).not.toContain(text);
  const { keys, database } = dataFolder(data);
  for (const path of [key, database, join(keys, 'root.json'), join(keys, 'storage.json')]) {
    expect((await stat(path)).mode & 0o077).toBe(0);
  }
  expect((await stat(keys)).mode & 0o777).toBe(0o700);
  expect(await loadConfig(dataFolder(data).config, {})).toMatchObject({
    url: 'https://reset.example',
    dataFolder: data,
  });
  expect(await run(['serve', '--data', data], '', ANY_HEALTH_PORT)).toMatchObject({
    code: 0,
    err: '',
  });
  await chmod(keys, 0o755);
  const open = await run(['serve', '--data', data], '', ANY_HEALTH_PORT);
  expect(open.code).toBe(78);
  expect(open.err).toContain('chmod 700');
});

test('each command of the first steps says the next one, as it can be pasted', async () => {
  const data = join(folder, 'a data folder');
  const key = join(folder, 'admin.key');
  const place = `--data '${data}'`;
  const init = await run(['init', '--url', 'https://reset.example', '--data', data]);
  expect(init.out).toMatch(new RegExp(`\\nNext: passback-cloud directory add corp ${place}$`));
  const added = await run(['directory', 'add', 'corp', '--data', data]);
  const scopes = 'inspect,reset,change,unlock,status,admin';
  const keyAdd = `key add --directory corp --scopes ${scopes} --actor NAME --out ./admin.key`;
  expect(added.out).toContain(`\nNext: passback-cloud ${keyAdd} ${place}`);
  const make = ['key', 'add', '--directory', 'corp', '--actor', 'anna', '--data', data];
  const made = await run([...make, '--scopes', scopes, '--out', key]);
  expect(made.out).toContain(`\nNext: passback-cloud serve ${place}`);
  expect(made.out).toContain(
    `passback-cloud token --out ./enroll.token --directory corp --url https://reset.example --key-file ${key}`,
  );
  const other = await run([...make, '--scopes', 'reset', '--out', `${key}.2`]);
  expect(other.out).not.toContain('Next');
});

describe('init makes nothing when', () => {
  async function initWith(flags: readonly string[]): Promise<Ran> {
    const data = join(folder, 'data');
    const ran = await run(['init', '--url', 'https://reset.example', '--data', data, ...flags]);
    expect(ran).toMatchObject({ code: 1, out: '' });
    await expect(stat(data)).rejects.toThrow('ENOENT');
    return ran;
  }

  async function pair(name: string): Promise<{ cert: string; key: string }> {
    const made = await (await createTestCa()).issue(['reset.example']);
    const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
    await writeFile(cert, made.cert);
    await writeFile(key, made.key, { mode: 0o600 });
    return { cert, key };
  }

  test('the certificate and the key are not there: both are named', async () => {
    const { err } = await initWith(['--cert', '/nowhere/a.pem', '--key', folder]);
    expect(err).toContain('--cert: /nowhere/a.pem does not exist');
    expect(err).toContain(`--key: ${folder} is a folder`);
  });

  test('the files are something else, or belong to different pairs', async () => {
    const [one, two] = [await pair('one'), await pair('two')];
    const swapped = await initWith(['--cert', one.key, '--key', one.cert]);
    expect(swapped.err).toContain(`--cert: ${one.key} holds no certificate`);
    expect(swapped.err).toContain(`--key: ${one.cert} holds no private key`);
    const mixed = await initWith(['--cert', one.cert, '--key', two.key]);
    expect(mixed.err).toContain(`--key: ${two.key} is not the key of the first certificate`);
  });

  test('every account can read the key', async () => {
    const { cert, key } = await pair('one');
    await chmod(key, 0o644);
    expect((await initWith(['--cert', cert, '--key', key])).err).toContain('chmod o=');
  });

  test('the service would be open to the network without a certificate, or with half a pair', async () => {
    expect((await initWith(['--host', '0.0.0.0'])).err).toContain('--host: 0.0.0.0 is reachable');
    expect((await initWith(['--cert', '/a.pem'])).err).toContain('go together');
  });
});

test('a certificate for another host name is taken, with a warning', async () => {
  const { cert, key } = await (await createTestCa()).issue(['other.example']);
  await writeFile(join(folder, 'a.crt'), cert);
  await writeFile(join(folder, 'a.key'), key, { mode: 0o600 });
  const files = ['--cert', join(folder, 'a.crt'), '--key', join(folder, 'a.key')];
  const init = ['init', '--data', join(folder, 'data'), ...files, '--url'];
  const ran = await run([...init, 'https://reset.example']);
  expect(ran).toMatchObject({ code: 0, err: '' });
  expect(ran.out).toContain('Mind: the certificate is not for reset.example;');
  const fitting = [...init.with(2, join(folder, 'data2')), 'https://other.example'];
  expect((await run(fitting)).out).not.toContain('Mind');
});

test('a data folder that cannot be one is said in words', async () => {
  const file = join(folder, 'file');
  await writeFile(file, '');
  await symlink('/nowhere/at/all', join(folder, 'link'));
  const init = ['init', '--url', 'https://reset.example', '--data'];
  for (const path of [file, join(file, 'below'), join(folder, 'link'), '/proc/passback']) {
    const ran = await run([...init, path]);
    expect(ran, path).toMatchObject({ code: 78, out: '' });
    expect(ran.err).toContain(path);
    // The folder's own name is made up, and may look like one of these.
    expect(ran.err.replaceAll(folder, '')).not.toMatch(/E[A-Z]{4,}|\n/);
  }
});

test('an API key that is revoked is gone', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  await run(['directory', 'add', 'corp', '--data', data]);
  const add = ['key', 'add', '--directory', 'corp', '--scopes', 'reset', '--actor', 'anna'];
  await run([...add, '--out', join(folder, 'key'), '--data', data]);
  const listed = await run(['key', 'list', '--json', '--data', data]);
  const { keys } = JSON.parse(listed.out) as { keys: { id: string; actor: string }[] };
  expect(keys).toMatchObject([{ actor: 'anna' }]);
  const revoke = ['key', 'revoke', keys[0]?.id ?? '', '--data', data];
  expect(await run(revoke)).toMatchObject({ code: 0, err: '' });
  expect(await run(revoke)).toMatchObject({ code: 1 });
  expect((await run(['key', 'list', '--data', data])).out).toBe('No keys.');
});

test('nothing that is there already is overwritten', async () => {
  const data = join(folder, 'data');
  const init = ['init', '--url', 'https://reset.example', '--data', data];
  await run(init);
  const again = await run(init);
  expect(again).toMatchObject({ code: 78 });
  expect(again.err).toContain('is there already');
  await run(['directory', 'add', 'corp', '--data', data]);
  expect(await run(['directory', 'add', 'corp', '--data', data])).toMatchObject({ code: 1 });
  const out = join(folder, 'key');
  await writeFile(out, 'mine');
  const add = ['key', 'add', '--directory', 'corp', '--scopes', 'reset', '--actor', 'anna'];
  expect(await run([...add, '--out', out, '--data', data])).toMatchObject({ code: 1 });
  expect(await readFile(out, 'utf8')).toBe('mine');
});

test('keys rotate needs the root key and gives the next number', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  const rotated = await run(['keys', 'rotate', '--data', data]);
  expect(rotated.out).toContain('Key set 2');
  await rm(join(dataFolder(data).keys, 'root.json'));
  const refused = await run(['keys', 'rotate', '--data', data]);
  expect(refused).toMatchObject({ code: 78 });
  expect(refused.err).toContain('bring the root key back');
});

test('with the root key off line a key set is drafted, signed elsewhere and installed', async () => {
  const data = join(folder, 'data');
  const at = (name: string): string => join(folder, name);
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  await rename(join(dataFolder(data).keys, 'root.json'), at('root.json'));
  expect(await run(['keys', 'draft', '--data', data, '--out', at('draft')])).toMatchObject({
    code: 0,
  });
  const sign = ['keys', 'sign', '--root', at('root.json'), '--in', at('draft')];
  expect(await run([...sign, '--out', at('signed')])).toMatchObject({ code: 0, err: '' });
  const install = ['keys', 'install', '--data', data, '--in', at('signed')];
  expect((await run(install)).out).toContain('Key set 2');
  const again = await run(install);
  expect(again).toMatchObject({ code: 78 });
  expect(again.err).toContain('not newer');
});

test('a draft is signed by the root key that it was made for, and by no other', async () => {
  const [data, other] = [join(folder, 'data'), join(folder, 'other')];
  const at = (name: string): string => join(folder, name);
  for (const path of [data, other]) {
    await run(['init', '--url', 'https://reset.example', '--data', path]);
  }
  await run(['keys', 'draft', '--data', data, '--out', at('draft')]);
  const root = join(dataFolder(other).keys, 'root.json');
  const sign = ['keys', 'sign', '--root', root, '--in', at('draft'), '--out', at('signed')];
  const refused = await run(sign);
  expect(refused).toMatchObject({ code: 78 });
  expect(refused.err).toContain('agents would not believe it');

  await run(['keys', 'draft', '--data', other, '--out', at('theirs')]);
  const forged = ['keys', 'sign', '--root', root, '--in', at('theirs'), '--out', at('signed')];
  expect(await run(forged)).toMatchObject({ code: 0 });
  const install = await run(['keys', 'install', '--data', data, '--in', at('signed')]);
  expect(install).toMatchObject({ code: 78 });
  expect(install.err).toContain('not signed by this root key');
});

test('what is no signed key set is named as the file it came from', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  const draft = join(folder, 'draft');
  await run(['keys', 'draft', '--data', data, '--out', draft]);
  const refused = await run(['keys', 'install', '--data', data, '--in', draft]);
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining(draft) as string });
});

test('no rotation goes well while a key beside it is damaged', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  await writeFile(join(dataFolder(data).keys, 'storage.json'), '{}');
  for (const command of [['rotate'], ['draft', '--out', join(folder, 'draft')]]) {
    const refused = await run(['keys', ...command, '--data', data]);
    expect(refused).toMatchObject({ code: 78, out: '' });
    expect(refused.err).toContain('storage.json is damaged');
  }
});

test('what is made is told to programs, too, and no secret with it', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  const json = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const ran = await run([...args, '--data', data, '--json']);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).not.toMatch(/pbk_|"d"|PRIVATE/);
    return JSON.parse(ran.out) as Record<string, unknown>;
  };
  const added = await json('directory', 'add', 'corp');
  expect((await json('directory', 'list')).directories).toMatchObject([added]);
  const out = join(folder, 'admin.key');
  const add = ['key', 'add', '--directory', 'corp', '--scopes', 'admin,reset', '--actor', 'anna'];
  const { out: path, ...made } = await json(...add, '--out', out);
  expect(path).toBe(out);
  expect((await json('key', 'list')).keys).toMatchObject([made]);
  expect(await json('keys', 'rotate')).toEqual({
    number: 2,
    expiresAt: expect.stringMatching(/^\d{4}-\S+Z$/) as string,
  });
  expect(JSON.parse((await run(['version', '--json'])).out)).toMatchObject({
    name: 'passback-cloud',
  });
});

test.each(['install', 'uninstall', 'status'])(
  'passback-cloud service %s says what of systemd does it',
  async (verb) => {
    const ran = await run(['service', verb]);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toMatch(/the package brings a systemd unit: systemctl \w+.* passback-cloud/);
    const forPrograms = await run(['service', verb, '--json']);
    expect(forPrograms).toMatchObject({ code: 1, err: '' });
    expect(JSON.parse(forPrograms.out)).toMatchObject({ name: 'passback-cloud', supported: false });
  },
);

test('directories are listed with their writeback', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  const list = ['directory', 'list', '--data', data];
  expect((await run(list)).out).toBe('No directories.');
  await run(['directory', 'add', 'corp', '--data', data]);
  expect((await run(list)).out).toMatch(/^corp +on +\d{4}-/m);
  expect(JSON.parse((await run([...list, '--json'])).out)).toMatchObject({
    directories: [{ id: 'corp', toggle: { enabled: true } }],
  });
});

test.each([
  ['is not there', 'none.yaml', 'does not exist; `passback-cloud init` writes one'],
  ['is a folder', '.', 'is a folder; a file is expected\n'],
])('a configuration that %s is said to be, with what would help', async (_what, name, words) => {
  const ran = await run(['config', 'check', '--config', join(folder, name)]);
  expect(ran).toMatchObject({ code: 78, out: '' });
  expect(`${ran.err}\n`).toContain(words);
});

test('a bad configuration lists every problem at once and ends with 78', async () => {
  const file = join(folder, 'bad.yaml');
  await writeFile(
    file,
    'url: http://reset.example\nlisten:\n  host: 0.0.0.0\n  port: 99999\nlogging:\n  level: loud\nextra: 1\n',
  );
  const { code, err } = await run(['serve', '--config', file]);
  expect(code).toBe(78);
  for (const key of ['url', 'listen.port', 'logging.level', 'extra', 'listen.host']) {
    expect(err).toContain(`  ${key}: `);
  }
});

test('a configuration, keys or a database of a newer version end with 78, and are left as they were', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data, '--port', '0']);
  const { config, keys, database } = dataFolder(data);
  const serve = (): Promise<Ran> => run(['serve', '--data', data], '', ANY_HEALTH_PORT);
  const text = await readFile(config, 'utf8');
  expect(text).toContain('version: 1\n');

  await writeFile(config, text.replace('version: 1', 'version: 2'));
  expect(await serve()).toMatchObject({
    code: 78,
    err: expect.stringContaining('version: 2 is of a newer passback') as string,
  });
  await writeFile(config, text);

  const mark = join(keys, 'version.json');
  const known = await readFile(mark, 'utf8');
  await writeFile(mark, '{"version":2,"by":"0.9.0"}');
  for (const args of [['serve'], ['keys', 'rotate']]) {
    expect(await run([...args, '--data', data], '', ANY_HEALTH_PORT)).toMatchObject({
      code: 78,
      err: expect.stringContaining('install passback 0.9.0 or newer again') as string,
    });
  }
  await writeFile(mark, known);

  const later = new Database(database);
  later.exec("insert into kysely_migration (name, timestamp) values ('999-later', '2030')");
  later.close();
  for (const args of [['serve'], ['directory', 'add', 'corp']]) {
    expect(await run([...args, '--data', data], '', ANY_HEALTH_PORT)).toMatchObject({
      code: 78,
      err: expect.stringMatching(/newer passback-cloud .* made 999-later there: install/) as string,
    });
  }
});

test('what the command line lacks is said, with exit code 1', async () => {
  expect(await run(['operate', 'reset'])).toMatchObject({ code: 1 });
  expect(await run(['serve'])).toMatchObject({ code: 1 });
  expect((await run(['--help'])).code).toBe(0);
});

test('the shipped example is a valid configuration', async () => {
  const example = join(import.meta.dirname, '../../config/passback-cloud.example.yaml');
  await expect(loadConfig(example, {})).resolves.toMatchObject({ drainMs: 10_000 });
});

test('the environment beats the file, and an empty variable counts as not set', async () => {
  const file = join(folder, 'c.yaml');
  await writeFile(file, 'url: https://reset.example\n');
  const env = { PASSBACK_CLOUD_LISTEN_PORT: '9000', PASSBACK_CLOUD_URL: '' };
  expect(await loadConfig(file, env)).toMatchObject({
    url: 'https://reset.example',
    listen: { port: 9000 },
  });
});

async function apiFlags(cloud: TestCloud): Promise<readonly string[]> {
  const [key, ca] = [join(folder, 'api.key'), join(folder, 'ca.pem')];
  await writeFile(key, cloud.adminKey);
  await writeFile(ca, cloud.tls.ca);
  const url = ['--url', cloud.address, '--key-file', key, '--ca', ca];
  return [...url, '--directory', TEST_DIRECTORY];
}

test('the status says by its exit code whether the directory is up, in words otherwise', async () => {
  await using cloud = await startTestCloud();
  const flags = await apiFlags(cloud);
  const nobody = await run(['status', ...flags]);
  expect(nobody.code).toBe(2);
  expect(nobody.out).toContain('not-configured');
  expect(nobody.out).toContain('passback-cloud token');
  await using agent = await ScriptedAgent.create(cloud);
  await agent.join();
  await agent.connect();
  expect((await run(['status', ...flags])).code).toBe(0);
  const paused = await run(['pause', '--reason', 'a move', '--for', '2h', ...flags]);
  expect(paused.out).toMatch(
    /^Writeback is paused \(version \d+\) until 20\S+Z, or `passback-cloud/,
  );
  const status = await run(['status', ...flags, '--json']);
  expect(status.code).toBe(2);
  expect(JSON.parse(status.out)).toMatchObject({ connectivity: 'paused' });
  expect((await run(['pause', '--reason', 'x', ...flags])).out).toContain('was paused already');
  expect((await run(['resume', ...flags])).out).toContain('Writeback is on (');
  expect((await run(['resume', ...flags])).out).toContain('was on already');
  expect((await run(['pause', '--reason', 'x', '--for', '31d', ...flags])).err).toContain('30d');
});

test('the status says in the words of each agent why it does not work', async () => {
  await using cloud = await startTestCloud();
  await using agent = await ScriptedAgent.create(cloud);
  await agent.join();
  const { peer } = await agent.connect();
  const iat = Math.floor(Date.now() / 1000);
  const reasons = ['dry run: nothing is written', 'paused at the agent: \u202eaudit'];
  const report = agent.report({ state: 'paused', reasons });
  const claims = { iss: agent.id, aud: agent.issuer, iat, monotonicMs: 0, report };
  peer.notify('agent.status', { status: await signToken('status', claims, agent.device) });
  const flags = await apiFlags(cloud);
  await eventually(async () => {
    const { out } = await run(['status', ...flags]);
    expect(out).toContain('\n    dry run: nothing is written\n    paused at the agent: ?audit');
    expect(out).toMatch(
      /^Directory corp: paused; writeback on; 0 operations pending\nwriteback is paused: at the agents, .*\n\nAGENT +NAME /,
    );
    expect(out).toMatch(
      / {4}guard: self nothing; admin reset, .*; below .*\n +per hour: \d+ per account, /,
    );
    expect(out).toMatch(/ {4}count: .* from its start at \d{4}/);
  });
  const resumed = await run(['resume', ...flags]);
  expect(resumed).toMatchObject({ code: 0, err: '' });
  expect(resumed.out).toMatch(
    /Writeback was on already.*\n.*paused at the agent: \?audit \(run `passback resume`/,
  );
});

test('what a clumsy admin types is answered in words, with exit code 1', async () => {
  await using cloud = await startTestCloud();
  const flags = await apiFlags(cloud);
  const notPem = join(folder, 'text');
  await writeFile(notPem, 'hello');
  const clumsy: [string[], string][] = [
    [['status', ...flags, '--ca', notPem], `--ca: ${notPem} holds no certificate in PEM form`],
    [['status', ...flags, '--ca', folder], `--ca: ${folder} is a folder`],
    [['status', ...flags, '--key-file', '/nowhere/key'], '--key-file: /nowhere/key does not exist'],
    [['status', ...flags, '--key-file', notPem], 'holds no API key'],
    [['status', ...flags, '--url', 'http://localhost'], '--url: expected an address such as'],
    [['status', ...flags, '--url', `${cloud.address}/deeper`], 'look at --url'],
    [['status', ...flags, '--url', 'https://localhost:1'], 'nothing listens there'],
    [['agent', 'revoke', 'the-agent', ...flags], 'expected a UUID: `passback-cloud agent list`'],
    [['agent', 'revoke', randomUUID(), ...flags], 'agent list'],
    [['audit', ...flags, '--limit', '501'], 'expected a whole number, from 1 to 500'],
    [['audit', ...flags, '--before', 'x'], 'expected a whole number, 1 or more'],
    [['pause', ...flags, '--reason', ' '], 'expected 1 to 512 characters on one line'],
    [['agent', 'disable', 'nonsense', ...flags], 'expected a UUID: `passback-cloud agent list`'],
    [['operation', 'close', 'nonsense', ...flags], 'expected a UUID: `passback-cloud audit`'],
    [
      ['operate', 'unlock', '--account', 'anna', '--fingerprint', 'abc', ...flags],
      'expected the 43 characters that `passback enroll` printed',
    ],
    [['operate', 'rest', '--account', 'a', ...flags], 'one of reset, change, unlock; found "rest"'],
    [['operate', 'unlock', '--account', 'a', '--wait', '61', ...flags], 'from 0 to 60'],
    [['token', '--out', '/nowhere/token', ...flags], '--out: the folder /nowhere does not exist'],
    [['frob'], "unknown command 'frob'"],
  ];
  for (const [args, words] of clumsy) {
    const ran = await run(args);
    expect(ran, args.join(' ')).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toContain(words);
    expect(ran.err).not.toMatch(/\n {4}at |\bE[A-Z]{5,}\b/);
  }
});

test('a database that is none is said to be none', async () => {
  const data = join(folder, 'data');
  await run(['init', '--url', 'https://reset.example', '--data', data]);
  const { database } = dataFolder(data);
  for (const name of [database, `${database}-wal`, `${database}-shm`])
    await rm(name, { force: true });
  await writeFile(database, 'no database at all '.repeat(100));
  const ran = await run(['key', 'list', '--data', data]);
  expect(ran).toMatchObject({ code: 1, out: '' });
  expect(ran.err).toBe('store: the file is no database; put the data folder back from a backup');
});

test('the whole story on the command line: token, approve, reset, pause, resume, audit', async () => {
  await using cloud = await startTestCloud();
  await using agent = await ScriptedAgent.create(cloud);
  const flags = await apiFlags(cloud);
  const token = join(folder, 'token');
  expect(await run(['token', ...flags, '--out', token])).toMatchObject({ code: 0, err: '' });
  await agent.enroll(await readFile(token, 'utf8'));
  await agent.connect();
  expect((await run(['agent', 'list', ...flags])).out).toMatch(
    new RegExp(`^AGENT .*\\n${agent.id} +scripted +pending +connected `),
  );

  const operate = ['operate', 'reset', '--account', 'ada', ...flags];
  const early = await run(operate, 'secret-1\n');
  expect(early).toMatchObject({ code: 1 });
  expect(early.err).toContain('1 pending');

  const approve = ['agent', 'approve', agent.id, ...flags, '--fingerprint'];
  expect(await run([...approve, 'A'.repeat(43)])).toMatchObject({ code: 1 });
  expect((await run([...approve, 'short'])).err).toContain(
    'expected the 43 characters that `passback enroll` printed',
  );
  expect(await run([...approve, agent.device.kid])).toMatchObject({ code: 0 });

  const done = await run([...operate, '--must-change', '--no-unlock'], 'secret-1\n');
  expect(done).toMatchObject({ code: 0, err: '' });
  expect(done.out).toContain('Done: reset of ada is applied');
  expect(agent.commands[0]).toMatchObject({
    claims: { unlock: false, mustChange: true, actor: 'admin', by: 'admin' },
    secret: { password: 'secret-1' },
  });

  const slip = await run(operate, '', {}, ['secret-5', 'secret-6']);
  expect(slip).toMatchObject({ code: 1, err: expect.stringContaining('differ') as unknown });
  expect(agent.commands).toHaveLength(1);
  expect(await run(operate, '', {}, ['secret-5', 'secret-5'])).toMatchObject({ code: 0, err: '' });

  const known = [...operate, '--fingerprint', agent.device.kid, 'B'.repeat(43)];
  expect(await run(known, 'secret-6\n')).toMatchObject({ code: 0, err: '' });
  const stranger = await run([...operate, '--fingerprint', 'A'.repeat(43)], 'secret-7\n');
  expect(stranger).toMatchObject({ code: 1, err: expect.stringContaining('not among') as unknown });
  expect(agent.commands).toHaveLength(3);

  agent.onCommand = () => 'PASSWORD_POLICY';
  const refused = await run([...operate, '--json'], 'secret-2\n');
  expect(refused.code).toBe(2);
  expect(JSON.parse(refused.out)).toMatchObject({ code: 'PASSWORD_POLICY', status: 'refused' });

  agent.onInspect = () => 'ACCOUNT_DISABLED';
  expect(await run(operate, 'secret-3\n')).toMatchObject({ code: 2 });

  expect(await run(['pause', '--reason', 'maintenance', ...flags])).toMatchObject({ code: 0 });
  const paused = await run(operate, 'secret-4\n');
  expect(paused).toMatchObject({ code: 2, err: expect.stringContaining('maintenance') as unknown });
  expect((await run(['status', ...flags])).out).toContain('paused (maintenance)');
  expect(await run(['resume', ...flags])).toMatchObject({ code: 0 });

  const audit = await run(['audit', ...flags]);
  for (const action of ['token.created', 'agent.approved', 'operation.applied', 'writeback.paused'])
    expect(audit.out).toContain(action);

  const reason = ['--reason', 'a move'];
  const disabled = await run(['agent', 'disable', agent.id, ...reason, ...flags]);
  expect(disabled).toMatchObject({ code: 0, err: '' });
  expect(disabled.out).toContain(`passback-cloud agent enable ${agent.id} --directory`);
  expect((await run(['agent', 'list', ...flags])).out).toMatch(/scripted +disabled +offline/);
  const status = await run(['status', ...flags]);
  expect(status.out).toMatch(
    /disabled by admin since .* \(a move\): `passback-cloud agent enable`/,
  );
  const enabled = await run(['agent', 'enable', agent.id, ...flags]);
  expect(enabled.out).toContain('Enabled');
  expect((await run(['agent', 'list', ...flags])).out).toMatch(/scripted +approved +offline/);
  const revoked = await run(['agent', 'revoke', agent.id, ...flags]);
  expect(cloud.log.of('cloud.request_failed')).toEqual([]);
  expect(revoked).toMatchObject({ code: 0, err: '' });
  for (const command of [['agent', 'list'], ['status']]) {
    const { out } = await run([...command, ...flags]);
    expect(out).toContain('(1 revoked agent not shown; see --all)');
    expect(out).not.toContain(agent.id);
    expect((await run([...command, '--all', ...flags])).out).toContain(agent.id);
  }
  expect(cloud.log.text()).not.toContain('secret-');
});
