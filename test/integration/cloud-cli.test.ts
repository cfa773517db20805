import { chmod, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../src/cloud/cli/program.ts';
import { loadConfig } from '../../src/cloud/config/load-config.ts';
import { dataFolder } from '../../src/cloud/data-folder.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, TEST_DIRECTORY, type TestCloud } from '../support/start-cloud.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-cli-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

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
  expect(await run(['serve', '--data', data])).toMatchObject({ code: 0, err: '' });
  await chmod(keys, 0o755);
  const open = await run(['serve', '--data', data]);
  expect(open.code).toBe(78);
  expect(open.err).toContain('chmod 700');
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

test('a key set that another root signed is not installed', async () => {
  const [data, other] = [join(folder, 'data'), join(folder, 'other')];
  const at = (name: string): string => join(folder, name);
  for (const path of [data, other]) {
    await run(['init', '--url', 'https://reset.example', '--data', path]);
  }
  await run(['keys', 'draft', '--data', data, '--out', at('draft')]);
  const root = join(dataFolder(other).keys, 'root.json');
  await run(['keys', 'sign', '--root', root, '--in', at('draft'), '--out', at('signed')]);
  const refused = await run(['keys', 'install', '--data', data, '--in', at('signed')]);
  expect(refused).toMatchObject({ code: 78 });
  expect(refused.err).toContain('not signed by this root key');
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
  });
  const resumed = await run(['resume', ...flags]);
  expect(resumed).toMatchObject({ code: 0, err: '' });
  expect(resumed.out).toMatch(
    /Writeback is on .*\n.*paused at the agent: \?audit \(run `passback resume`/,
  );
});

test('the whole story on the command line: token, approve, reset, pause, resume, audit', async () => {
  await using cloud = await startTestCloud();
  await using agent = await ScriptedAgent.create(cloud);
  const flags = await apiFlags(cloud);
  const token = join(folder, 'token');
  expect(await run(['token', ...flags, '--out', token])).toMatchObject({ code: 0, err: '' });
  await agent.enroll(await readFile(token, 'utf8'));
  await agent.connect();
  expect((await run(['agent', 'list', ...flags])).out).toContain(`${agent.id} scripted pending`);

  const operate = ['operate', 'reset', '--account', 'ada', ...flags];
  const early = await run(operate, 'secret-1\n');
  expect(early).toMatchObject({ code: 1 });
  expect(early.err).toContain('1 pending');

  const approve = ['agent', 'approve', agent.id, ...flags, '--fingerprint'];
  expect(await run([...approve, 'A'.repeat(43)])).toMatchObject({ code: 1 });
  expect((await run([...approve, 'short'])).err).toContain('fingerprint: expected a SHA-256');
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
  const revoked = await run(['agent', 'revoke', agent.id, ...flags]);
  expect(cloud.log.of('cloud.request_failed')).toEqual([]);
  expect(revoked).toMatchObject({ code: 0, err: '' });
  expect(cloud.log.text()).not.toContain('secret-');
});
