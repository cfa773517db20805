import { execFile } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exportJWK, generateKeyPair } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { collectBundle } from '../../src/agent/bundle/collect.ts';
import { loadConfig } from '../../src/agent/config/load-config.ts';
import { writeOrders } from '../../src/agent/commands/guard/local-orders.ts';
import { encodeRecord } from '../../src/agent/commands/journal-records.ts';
import { readState } from '../../src/agent/identity/state-files.ts';
import { askAgent } from '../../src/agent/cli/local-client.ts';
import { openDoctorRig } from '../support/doctor-rig.ts';
import { Secret } from '../../src/support/secret.ts';
import { protectedSecretFile } from '../../src/support/secret-file.ts';
import { logLinesOf } from '../../src/support/bundle/write-bundle.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { eventually } from '../support/eventually.ts';
import { passback } from '../support/run-passback.ts';
import { SERVICE_ACCOUNT } from '../support/scripted-domain.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { searchSecrets } from '../support/search-secrets.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);

const PLANTED_SID = 'S-1-5-21-4711-4712-4713-1234';

const SECRETS = {
  bindPassword: SERVICE_ACCOUNT.password,
  proxyLogin: 'Planted-Proxy-Password-1',
  enrolmentToken: 'passback-enroll-1.Planted-Token-0123456789abcdef',
  apiKey: 'pbk_PlantedApiKey0123456789abcdefghijklmnopqrst',
  pem: 'MIGHAgEAMBMGByqGSM49AgEGPlantedPrivateKeyBody',
  sealed: 'eyJhbGciOiJFQ0RILUVTK0EyNTZLVyJ9.PlantedCiphertext.x',
  newPassword: 'Planted-New-Password-7',
  account: 'anna.planted@corp.test',
  accountDn: 'CN=Anna Planted,OU=People,DC=corp,DC=test',
  protectedName: 'boss-planted',
  serviceAccount: SERVICE_ACCOUNT.user,
  pauseReason: 'because Anna Planted asked',
  unknownField: 'Planted-Value-Of-No-Field',
};

interface Planted {
  readonly config: string;
  readonly path: string;
  readonly env: Record<string, string>;
}

/** An agent's machine with a secret in every place that somebody could put one. */
async function plant(): Promise<Planted> {
  const log = join(await temporary(), 'agent.log');
  const rig = await openDoctorRig({
    accounts: [
      { sam: 'anna', password: SECRETS.newPassword },
      { sam: SECRETS.protectedName, password: SECRETS.newPassword, adminCount: true },
    ],
    settings: { logging: { file: log }, service: { proxy: { url: 'http://127.0.0.1:1' } } },
  });
  onTestFinished(() => rig[Symbol.asyncDispose]());
  const { config, path, state } = rig;
  const login = join(path, 'login');
  await writeFile(login, `joe:${SECRETS.proxyLogin}`, { mode: 0o600 });
  await appendFile(config, `# ${Object.values(SECRETS).join(' ')}\n`);
  await writeFile(join(state, 'stray.pem'), SECRETS.pem, { mode: 0o600 });
  const since = new Date().toISOString();
  await writeOrders(state, { pause: { reason: SECRETS.pauseReason, since, by: 'anna.planted' } });
  const uuid = '11111111-2222-4333-8444-555555555555';
  await writeFile(
    join(state, 'journal.jsonl'),
    `${encodeRecord({ type: 'epoch', epoch: uuid, at: since })}torn ${SECRETS.sealed}\n`,
  );
  await writeFile(log, logText(since, uuid));
  const env = {
    PASSBACK_SERVICE_PROXY_CREDENTIALS_FILE: login,
    API_KEY: SECRETS.apiKey,
    PASSBACK_OTHER_THING: SECRETS.enrolmentToken,
  };
  return { config, path, env };
}

function logText(time: string, cmd: string): string {
  const everything = Object.values(SECRETS).join(' ');
  const line = (event: string, fields: object): string =>
    JSON.stringify({ time, level: 'info', event, eventId: 1, ...fields });
  const fields = ['reason', 'error', 'diagnostic', 'account', 'actor', 'password', 'controller'];
  return [
    everything,
    line('reset.applied', { cmd, code: 'APPLIED', tookMs: 12, controller: 'dc1.corp.test' }),
    ...fields.map((name) => line('reset.failed', { cmd, [name]: everything })),
    ...fields.map((name) => line('reset.failed', { cmd, [name]: [everything, { a: everything }] })),
    line('reset.failed', {
      cmd,
      code: everything,
      state: everything,
      since: everything,
      rules: [everything],
    }),
    line('reset.failed', { [SECRETS.unknownField]: 1, session: SECRETS.sealed }),
    line(everything, {}),
    JSON.stringify([everything]),
    `-----BEGIN PRIVATE KEY-----\n${SECRETS.pem}\n-----END PRIVATE KEY-----`,
  ].join('\n');
}

async function temporary(): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return folder.path;
}

async function unpack(archive: string): Promise<string> {
  const folder = join(await temporary(), 'unpacked');
  await mkdir(folder);
  await run('tar', ['-xzf', archive, '-C', folder]);
  return join(folder, 'passback-support');
}

test('no secret and no name of an account is in a bundle, wherever it was planted', async () => {
  const { config, env } = await plant();
  const out = join(await temporary(), 'bundle.tar.gz');
  const ran = await passback(['support-bundle', '--config', config, '--out', out], env);
  expect(ran).toMatchObject({ err: '', code: 0 });
  expect((await stat(out)).mode & 0o077).toBe(0);
  const folder = await unpack(out);
  expect((await readdir(folder)).sort()).toEqual([
    ...['configuration.json', 'doctor.json', 'journal.json', 'log.jsonl', 'manifest.json'],
    ...['status.json', 'version.json'],
  ]);
  expect(await searchSecrets(SECRETS, [folder, { name: 'output', content: ran.out }])).toEqual([]);
  const text = await readFile(join(folder, 'doctor.json'), 'utf8');
  expect(text).not.toMatch(/planted/i);

  // The same search finds one that is planted on purpose.
  await appendFile(join(folder, 'log.jsonl'), JSON.stringify({ reason: SECRETS.newPassword }));
  expect(await searchSecrets(SECRETS, [folder])).toMatchObject([{ secret: 'newPassword' }]);
});

test('what helps is in it: settings with sources, findings, numbers, and the events', async () => {
  const { config, env } = await plant();
  const out = join(await temporary(), 'bundle.tar.gz');
  const ran = await passback(['support-bundle', '-c', config, '--out', out, '--json'], env);
  expect(JSON.parse(ran.out)).toMatchObject({ file: out });
  const folder = await unpack(out);
  const json = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, name), 'utf8'));
  expect(await json('configuration.json')).toMatchObject({
    ok: true,
    settings: {
      'directory.domain': { value: 'corp.test', source: 'file' },
      'directory.bind.user': { value: '[given]', source: 'file' },
      concurrency: { value: 16, source: 'default' },
    },
  });
  expect(await json('doctor.json')).toMatchObject({
    counts: { pass: expect.any(Number) as number },
  });
  expect(await json('journal.json')).toMatchObject({ lines: 2, damaged: 1, types: { epoch: 1 } });
  expect(await json('status.json')).toMatchObject({ problem: expect.any(String) as string });
  const [first] = (await readFile(join(folder, 'log.jsonl'), 'utf8')).split('\n');
  expect(JSON.parse(first ?? '')).toMatchObject({
    event: 'reset.applied',
    eventId: 31002,
    code: 'APPLIED',
    controller: 'dc1.corp.test',
    tookMs: 12,
  });
});

test('with accounts, names and sentences come along, and secrets still do not', async () => {
  const { config, env } = await plant();
  const out = join(await temporary(), 'bundle.tar.gz');
  await passback(['support-bundle', '-c', config, '--out', out, '--with-accounts'], env);
  const folder = await unpack(out);
  const { bindPassword, proxyLogin, protectedName, serviceAccount } = SECRETS;
  expect(await searchSecrets({ bindPassword, proxyLogin }, [folder])).toEqual([]);
  const found = await searchSecrets({ protectedName, serviceAccount }, [folder]);
  expect(new Set(found.map(({ secret }) => secret))).toEqual(
    new Set(['protectedName', 'serviceAccount']),
  );
});

test('a configuration that holds a secret by mistake shows only which setting is wrong', async () => {
  const { config, env } = await plant();
  await appendFile(config, `drainMs: ${SECRETS.newPassword}\n${SECRETS.unknownField}: 1\n`);
  const out = join(await temporary(), 'bundle.tar.gz');
  const wrong = { ...env, PASSBACK_CONCURRENCY: SECRETS.apiKey };
  const ran = await passback(['support-bundle', '-c', config, '--out', out], wrong);
  expect(ran).toMatchObject({ err: '', code: 0 });
  const folder = await unpack(out);
  expect(await searchSecrets(SECRETS, [folder])).toEqual([]);
  expect(await readFile(join(folder, 'configuration.json'), 'utf8')).toContain('"drainMs"');
});

test('of a running agent it holds what it says of itself, without keys and what people typed', async () => {
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory: new FakeDirectory() });
  agent.start();
  await eventually(() => agent.ready);
  const { stateFolder } = agent;
  const since = new Date().toISOString();
  await writeOrders(stateFolder, { pause: { reason: SECRETS.pauseReason, since } });
  const socket = join(stateFolder, 'control.sock');
  await askAgent({ socket, method: 'POST', path: '/refresh' });
  const status = await eventually(async () => {
    const said = await askAgent({ socket, method: 'GET', path: '/status.json' });
    return JSON.stringify(said).includes(SECRETS.pauseReason) ? said : false;
  });
  const device = JSON.parse(await readFile(join(stateFolder, 'device-key.json'), 'utf8')) as {
    d: string;
  };
  const sealing = await readState(stateFolder, 'sealing');
  const sealingKey = sealing?.keys[0]?.private.d ?? '';
  const foreign = await exportJWK(
    (await generateKeyPair('ES256', { extractable: true })).privateKey,
  );
  const { files } = await collectBundle({
    ...{ source: { env: {}, readText: (path) => readFile(path, 'utf8') }, config: agent.config },
    // A private key where no allow-list would let a secret be.
    checks: [{ id: 'state.agent', standing: 'fail', found: `it said ${device.d} ${sealingKey}` }],
    ...{ stateFolder, status, logLines: [], lines: 10, withAccounts: false, now: Date.now() },
  });
  const haystacks = files.map(({ name, content }) => ({ name, content }));
  const secrets = {
    ...{ device: device.d, sealing: sealingKey },
    ...{ foreign: foreign.d ?? '', reason: SECRETS.pauseReason },
  };
  expect(await searchSecrets(secrets, haystacks)).toEqual([]);
  const text = files.find(({ name }) => name.endsWith('status.json'))?.content ?? '';
  expect(JSON.parse(text)).toMatchObject({ status: { state: 'paused' }, agent: service.agent?.id });
  await agent.stop();
});

test('of a password that Windows protects neither the file nor the password itself is in it', async () => {
  const rig = await openDoctorRig({ accounts: [] });
  onTestFinished(() => rig[Symbol.asyncDispose]());
  const readText = (path: string): Promise<string> => readFile(path, 'utf8');
  const source = { env: {}, file: rig.config, readText };
  const config = await loadConfig(source);
  const file = protectedSecretFile('machine', Buffer.from('Planted-Sealed-Password'));
  await writeFile(config.directory.bind.passwordFile, file);
  const [, armour = ''] = file.split('\n');
  const password = 'Planted-Opened-Password';
  const found = `it said ${password}, of ${file.trimEnd()}`;
  const asked: string[] = [];
  const { files } = await collectBundle(
    {
      ...{ source, config, stateFolder: rig.state, status: {}, logLines: [], lines: 10 },
      checks: [{ id: 'state.agent', standing: 'fail', found }],
      ...{ withAccounts: true, now: Date.now() },
    },
    (path) => {
      asked.push(path);
      return Promise.resolve(new Secret(password));
    },
  );
  expect(asked).toEqual([config.directory.bind.passwordFile]);
  const haystacks = files.map(({ name, content }) => ({ name, content }));
  expect(await searchSecrets({ armour, password }, haystacks)).toEqual([]);
  expect(files.find(({ name }) => name.endsWith('doctor.json'))?.content).toContain(
    'it said [secret], of [secret]',
  );
});

test('settings that name accounts show only how many, and commands and foreign hosts stay here', async () => {
  const rig = await openDoctorRig({
    accounts: [{ sam: 'anna', password: SECRETS.newPassword, denied: true }],
    settings: {
      guard: {
        protectedAccounts: [PLANTED_SID, `${PLANTED_SID}1`],
        protectedGroups: [`${PLANTED_SID}2`],
      },
    },
  });
  onTestFinished(() => rig[Symbol.asyncDispose]());
  const head = { time: new Date().toISOString(), level: 'info', event: 'reset.applied' };
  const places = ['dc1.corp.test', 'anna.evilcorp.test', 'anna planted.corp.test', 'x/y.corp.test'];
  const log = join(await temporary(), 'agent.log');
  const line = (controller: string): string => JSON.stringify({ ...head, controller });
  await writeFile(log, places.map(line).join('\n'));
  const epoch = '11111111-2222-4333-8444-555555555555';
  await writeFile(
    join(rig.state, 'journal.jsonl'),
    encodeRecord({ type: 'epoch', epoch, at: head.time }),
  );
  const out = join(await temporary(), 'bundle.tar.gz');
  const ran = await passback(['support-bundle', '-c', rig.config, '--log', log, '--out', out]);
  expect(ran).toMatchObject({ err: '', code: 0 });
  const folder = await unpack(out);
  const settings = JSON.parse(await readFile(join(folder, 'configuration.json'), 'utf8')) as object;
  expect(settings).toMatchObject({
    settings: {
      'guard.protectedAccounts': { value: '[2 given]' },
      'guard.protectedGroups': { value: '[1 given]' },
      'guard.peers': { value: expect.stringContaining('given') as string },
    },
  });
  expect(await searchSecrets({ sid: PLANTED_SID }, [folder])).toEqual([]);
  const doctor = await readFile(join(folder, 'doctor.json'), 'utf8');
  expect(doctor).toContain('the service account lacks');
  expect(doctor).not.toContain('dsacls');
  const lines = (await readFile(join(folder, 'log.jsonl'), 'utf8')).trim().split('\n');
  expect(lines.map((one) => (JSON.parse(one) as { controller?: string }).controller)).toEqual([
    ...['dc1.corp.test', undefined, undefined, undefined],
  ]);
  expect((await stat(join(folder, 'log.jsonl'))).mode & 0o077).toBe(0);
});

test('of a log of many megabytes the last lines are kept, and none that is cut', async () => {
  const log = join(await temporary(), 'agent.log');
  const first = 'f'.repeat(1_000);
  await writeFile(log, `${first}\n${'m'.repeat(16 * 2 ** 20 - 10)}\n${'l'.repeat(100)}`);
  const lines = await logLinesOf(log, () => Promise.reject(new Error('not asked for')));
  expect(lines).toEqual(['l'.repeat(100)]);
});

test('lines of a log that are not the program’s are left out, and counted', async () => {
  const { config, env } = await plant();
  const out = join(await temporary(), 'bundle.tar.gz');
  const ran = await passback(['support-bundle', '--config', config, '--out', out], env);
  expect(ran.out).toMatch(/^\d+ lines of the log are no log lines of passback/m);
});

test.each([
  ['--config', 'of the configuration', 'no.yaml does not exist'],
  ['--out', 'of the folder of the bundle', '/no does not exist; name another file'],
])('a wrong %s is told as the wrong path %s', async (option, _, words) => {
  const { config, env } = await plant();
  const path = option === '--out' ? 'no/bundle.tar.gz' : 'no.yaml';
  const ran = await passback(['support-bundle', '--config', config, option, path], env);
  expect(ran).toMatchObject({ code: 1, out: '', err: expect.stringContaining(words) as string });
});

test('an existing file is never replaced, and a log that is not there is named', async () => {
  const { config, env, path } = await plant();
  const taken = await passback(['support-bundle', '-c', config, '--out', config], env);
  expect(taken).toMatchObject({ code: 1 });
  expect(taken.err).toContain('is there already');
  const log = join(path, 'no.log');
  const missing = await passback(['support-bundle', '-c', config, '--log', log], env);
  expect(missing.err).toContain(`${log} does not exist`);
});
