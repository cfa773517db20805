import { execFileSync } from 'node:child_process';
import { chmod, chown, link, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CheckResult } from '../../src/support/checks.ts';
import { systemClock } from '../../src/support/clock.ts';
import { lookAtRuntime } from '../../src/support/runtime-check.ts';
import { lookAtEnrolment, lookAtFolder, pasteWith } from '../../src/agent/doctor/state-checks.ts';
import { breakerFile, writeTrips } from '../../src/agent/commands/guard/breaker-file.ts';
import { writeOrders } from '../../src/agent/commands/guard/local-orders.ts';
import { LocalStatus } from '../../src/agent/health/local-status.ts';
import { loadIdentity } from '../../src/agent/identity/load-identity.ts';
import { ConnectProxy } from '../support/connect-proxy.ts';
import { only, doctorRig, of } from '../support/doctor-rig.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { openEnrollmentDesk } from '../support/enrollment-desk.ts';
import { eventually } from '../support/eventually.ts';
import { passback } from '../support/run-passback.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { startTestCloud } from '../support/start-cloud.ts';
import { createTestCa } from '../support/test-ca.ts';
import { askAgent } from '../../src/agent/cli/local-client.ts';

const standings = (results: readonly CheckResult[], prefix: string): Record<string, string> =>
  Object.fromEntries(
    results.filter(({ id }) => id.startsWith(prefix)).map(({ id, standing }) => [id, standing]),
  );

describe('before enrolment', () => {
  test('everything is looked at that can be, and the rest says why not', async () => {
    const { run } = await doctorRig();
    const results = await run();
    expect(only(results, 'state.enrolment')).toMatchObject({ standing: 'warn' });
    expect(only(results, 'service.address').found).toContain('--url');
    expect(standings(results, 'directory.')).toMatchObject({ 'directory.rights': 'pass' });
    expect(results.filter(({ standing }) => standing === 'fail')).toEqual([]);
  });

  test('a state folder that is not there yet is none the less not made', async () => {
    const { run, state, snapshot } = await doctorRig();
    await rm(state, { recursive: true });
    const before = await snapshot();
    const results = await run();
    expect(only(results, 'state.folder')).toMatchObject({ standing: 'pass' });
    expect(only(results, 'state.orders').standing).toBe('skip');
    expect(results.filter(({ standing }) => standing === 'fail')).toEqual([]);
    expect(await snapshot()).toEqual(before);
  });
});

test('a configuration that is wrong lists every problem, and nothing behind it is tried', async () => {
  const { run, servers } = await doctorRig();
  const results = await run({ env: { PASSBACK_DRAIN_MS: 'soon', PASSBACK_LOGGING_LEVEL: 'loud' } });
  expect(of(results, 'config.settings').map(({ standing }) => standing)).toEqual(['fail', 'fail']);
  expect(new Set(Object.values(standings(results, 'directory.')))).toEqual(new Set(['skip']));
  expect(servers[0]?.connections).toBe(0);
});

test('without verification nothing is connected to', async () => {
  const { run, servers } = await doctorRig();
  const results = await run({ env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
  expect(only(results, 'machine.runtime').standing).toBe('fail');
  expect(only(results, 'directory.bind').standing).toBe('skip');
  expect(servers[0]?.connections).toBe(0);
});

test.each([
  ['v18.0.0', {}, 'fail'],
  ['v20.19.9', {}, 'fail'],
  ['v20.20.2', {}, 'warn'],
  ['v24.1.0', {}, 'pass'],
  ['v24.1.0', { NODE_DEBUG: 'ldapts' }, 'fail'],
])('Node.js %s with %j is %s', (version, env, standing) => {
  expect(lookAtRuntime(version, env, ['ldapts']).standing).toBe(standing);
});

test('files that others can read or change are named with the command that closes them', async () => {
  const { run, config, path } = await doctorRig();
  await chmod(config, 0o666);
  const found = only(await run(), 'files.private');
  expect(found).toMatchObject({ standing: 'fail', about: config });
  expect(found.commands?.[0]?.lines).toEqual([`chmod o-w ${config}`]);
  await chmod(config, 0o644);
  await chmod(join(path, 'dc-ca.pem'), 0o602);
  expect(only(await run(), 'files.private')).toMatchObject({ about: join(path, 'dc-ca.pem') });
});

test('keys that other accounts can read are named with the command that closes them', async () => {
  const { run, state } = await doctorRig();
  const key = join(state, 'device-key.json');
  await writeFile(key, '{}');
  await chmod(key, 0o640);
  expect(only(await run(), 'files.private')).toMatchObject({
    standing: 'fail',
    about: key,
    commands: [{ lines: [`chmod 600 ${key}`] }],
  });
});

describe('the state folder', () => {
  test('that others can enter fails with the cure', async () => {
    const { run, state } = await doctorRig();
    await chmod(state, 0o755);
    expect(only(await run(), 'state.folder')).toMatchObject({
      standing: 'fail',
      commands: [{ lines: [`chmod 700 ${state}`] }],
    });
  });

  test('of another account fails, and root looks for that account', async () => {
    const { state } = await doctorRig();
    const found = await lookAtFolder(state, 54_321);
    expect(found).toMatchObject({ standing: 'fail' });
    expect(found.found).toContain('belongs to another account');
    await chown(state, 54_321, 54_321).catch(() => undefined); // only root can
    if ((await stat(state)).uid !== 54_321) return;
    expect(await lookAtFolder(state, 0)).toMatchObject({
      standing: 'pass',
      found: expect.stringContaining('writable for its account (uid 54321)') as string,
    });
    await chmod(state, 0o500);
    expect(await lookAtFolder(state, 0)).toMatchObject({
      standing: 'fail',
      commands: [{ lines: [`chmod 700 ${state}`] }],
    });
  });

  test.runIf(process.geteuid?.() === 0)(
    'of another account: root is told which files that account may not read',
    async () => {
      const { run, config, path, state } = await doctorRig();
      await chown(state, 54_321, 54_321);
      await chmod(path, 0o755);
      await chmod(config, 0o640);
      const found = only(await run(), 'files.private');
      expect(found).toMatchObject({ standing: 'fail', about: config });
      expect(found.commands?.[0]?.lines).toEqual([`chgrp 54321 ${config}`, `chmod g+r ${config}`]);
      await chown(config, 0, 54_321);
      expect(only(await run(), 'files.private').standing).toBe('pass');
      const journal = join(state, 'journal.jsonl');
      await writeFile(journal, '', { mode: 0o600 }); // by an agent that root has run
      expect(only(await run(), 'files.private')).toMatchObject({
        standing: 'fail',
        about: journal,
        commands: [{ lines: [`chown -h 54321:54321 ${journal}`] }],
      });
    },
  );

  test('with a link or a pipe in it: nothing is followed, read, or to be given away', async () => {
    const { run, state, config } = await doctorRig();
    await symlink(config, join(state, 'journal.jsonl'));
    execFileSync('mkfifo', [join(state, 'key-set.json')]);
    await link(config, join(state, 'identity.json'));
    const found = await run();
    const strangers = found.filter(({ id }) => id === 'files.private');
    expect(strangers.map(({ about }) => about).sort()).toEqual(
      ['identity.json', 'journal.jsonl', 'key-set.json'].map((name) => join(state, name)),
    );
    for (const one of strangers) {
      expect(one).toMatchObject({ standing: 'fail' });
      expect(one.commands).toBeUndefined();
    }
    const rest = found.filter(({ id }) => id.startsWith('state.'));
    expect(new Set(rest.map(({ standing }) => standing))).toEqual(new Set(['skip']));
  });

  test('that is a file fails', async () => {
    const { run, state } = await doctorRig();
    await rm(state, { recursive: true });
    await writeFile(state, '');
    expect(only(await run(), 'state.folder').found).toContain('is a file');
  });

  test('in which two processes work fails', async () => {
    const { run, state } = await doctorRig();
    for (const id of ['a', 'b']) {
      const uuid = `${id.repeat(8)}-0000-4000-8000-000000000000`;
      await writeFile(join(state, `lock.${process.pid}.x.${uuid}`), '');
    }
    expect(only(await run(), 'state.agent').found).toContain('2 agents work in');
  });

  test('with a pause, a damaged order or a dry run is a reason why nothing is written', async () => {
    const { run, state } = await doctorRig({ settings: { guard: { dryRun: true } } });
    const since = new Date().toISOString();
    await writeOrders(state, { pause: { reason: 'moving dc1', since } });
    const orders = of(await run(), 'state.orders');
    expect(orders.map(({ standing }) => standing)).toEqual(['warn', 'warn']);
    expect(orders[0]).toMatchObject({ local: { reason: ['moving dc1'] } });
    expect(orders[0]?.found).not.toContain('moving');
    await writeFile(join(state, 'local-orders.json'), '{');
    expect(of(await run(), 'state.orders')[0]).toMatchObject({ standing: 'fail' });
  });

  test('with a journal that is damaged fails, before an agent refuses to start on it', async () => {
    const { run, state } = await doctorRig();
    expect(only(await run(), 'state.journal').standing).toBe('skip');
    const journal = join(state, 'journal.jsonl');
    await writeFile(journal, '');
    expect(only(await run(), 'state.journal').standing).toBe('pass');
    await writeFile(journal, 'no record\n{"and":"more"}\n');
    expect(only(await run(), 'state.journal')).toMatchObject({
      standing: 'fail',
      found: expect.stringContaining(journal) as string,
      remedy: expect.stringContaining('Do not put an older one back') as string,
    });
  });

  test('with an open breaker warns until somebody has closed it', async () => {
    const { run, state } = await doctorRig();
    const id = '11111111-2222-4333-8444-555555555555';
    await writeTrips(state, [{ id, at: new Date().toISOString(), count: 100 }]);
    expect(only(await run(), 'state.orders')).toMatchObject({
      standing: 'warn',
      commands: [
        { lines: [expect.stringMatching(/^passback resume --breaker --config /) as string] },
      ],
    });
    const at = new Date().toISOString();
    await writeOrders(state, { resumed: { at, trips: [id] } });
    expect(only(await run(), 'state.orders').standing).toBe('pass');
    await writeFile(breakerFile(state), '{');
    expect(only(await run(), 'state.orders').standing).toBe('warn');
  });
});

test('a port for probes that something else has is a warning', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const { run } = await doctorRig({ settings: { health: { port } } });
  expect(only(await run(), 'state.port')).toMatchObject({
    standing: 'warn',
    found: expect.stringContaining(`port ${port} cannot be opened (it is in use)`) as string,
  });
});

test('an agent that runs and is connected passes, one whose service is gone does not', async () => {
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory: new FakeDirectory() });
  const { run } = await doctorRig({ settings: { stateFolder: agent.stateFolder } });
  const askStatus = (socket: string) => askAgent({ socket, method: 'GET', path: '/status.json' });
  agent.start();
  await eventually(() => agent.ready);
  await eventually(async () => {
    const results = await run({ askStatus });
    expect(only(results, 'state.agent')).toMatchObject({ standing: 'pass' });
    expect(only(results, 'state.enrolment')).toMatchObject({ standing: 'pass' });
  });
  const another = async (socket: string) => {
    const said = LocalStatus.parse(await askStatus(socket));
    return { ...said, build: { ...said.build, pid: 4711 } };
  };
  expect(only(await run({ askStatus: another }), 'state.agent')).toMatchObject({
    standing: 'fail',
    found: expect.stringContaining('another agent (process 4711') as string,
  });
  await service[Symbol.asyncDispose]();
  await eventually(async () => {
    const found = only(await run({ askStatus }), 'state.agent');
    expect(found.standing).toBe('fail');
  });
  await agent.stop();
  expect(only(await run({ askStatus }), 'state.agent').standing).toBe('warn');
});

test('a key set of the service warns 30 days before it ends, and fails when it has', async () => {
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory: new FakeDirectory() });
  const { trust } = await loadIdentity(agent.stateFolder, systemClock);
  const leftDays = async (days: number) => {
    const clock = { ...systemClock, now: () => trust.expiresAt - days * 86_400_000 };
    return (await lookAtEnrolment(agent.stateFolder, clock, pasteWith(undefined))).finding;
  };
  expect(await leftDays(31)).toMatchObject({ standing: 'pass' });
  expect(await leftDays(29)).toMatchObject({ standing: 'warn' });
  expect((await leftDays(29)).found).toContain('ends in 29 days');
  expect(await leftDays(0)).toMatchObject({ standing: 'fail' });
});

describe('the way to the service', () => {
  const settings = (more: Readonly<Record<string, unknown>>) => ({ settings: { service: more } });

  test('passes for a real service, which keeps nothing of it', async () => {
    await using cloud = await startTestCloud();
    const { path, run } = await doctorRig(settings({}));
    await writeFile(join(path, 'ca.pem'), cloud.tls.ca);
    const results = await run({
      url: cloud.address,
      env: { PASSBACK_SERVICE_CA_FILE: join(path, 'ca.pem') },
    });
    expect(standings(results, 'service.')).toMatchObject({
      'service.address': 'pass',
      'service.connect': 'pass',
      'service.certificate': 'pass',
      'service.answer': 'pass',
      'service.clock': 'pass',
    });
  });

  test('warns of a service that is not ready', async () => {
    await using desk = await openEnrollmentDesk({ statuses: [503, 503] });
    const { path, run } = await doctorRig();
    await writeFile(join(path, 'ca.pem'), desk.ca);
    const env = { PASSBACK_SERVICE_CA_FILE: join(path, 'ca.pem') };
    expect(only(await run({ url: desk.url, env }), 'service.answer')).toMatchObject({
      standing: 'warn',
      found: expect.stringContaining('not ready') as string,
    });
  });

  test('tells something else at that address from a Passback service', async () => {
    await using desk = await openEnrollmentDesk({ body: 'welcome' });
    const { path, run } = await doctorRig();
    await writeFile(join(path, 'ca.pem'), desk.ca);
    const env = { PASSBACK_SERVICE_CA_FILE: join(path, 'ca.pem') };
    expect(only(await run({ url: desk.url, env }), 'service.answer')).toMatchObject({
      standing: 'fail',
      found: expect.stringContaining('no Passback service') as string,
    });
  });

  test('says why an address cannot be reached, and tries nothing behind it', async () => {
    const { run } = await doctorRig();
    const results = await run({ url: 'https://localhost:1' });
    expect(only(results, 'service.connect').found).toContain('connection refused');
    expect(only(results, 'service.answer').standing).toBe('skip');
  });
});

test('domain controllers that DNS names are looked at; without SRV records it says what to do', async () => {
  const made = await doctorRig({ directory: { domainControllers: null } });
  const [server] = made.servers;
  const srv = { name: 'dc1.corp.test', port: 389, priority: 0, weight: 0 };
  const place = (name: string) => ({ name, address: '127.0.0.1', port: server?.port ?? 0 });
  const found = await made.run({ resolver: { resolveSrv: async () => [srv] }, place });
  expect(only(found, 'directory.discovery')).toMatchObject({ standing: 'pass' });
  expect(only(found, 'directory.bind')).toMatchObject({ standing: 'pass' });
  const missing = async (): Promise<never> =>
    Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' }));
  const none = await made.run({ resolver: { resolveSrv: missing }, place });
  const discovery = only(none, 'directory.discovery');
  expect(discovery).toMatchObject({ standing: 'fail' });
  expect(discovery.found).toContain('_ldap._tcp.dc._msdcs.corp.test');
  expect(discovery.commands?.[0]?.lines).toEqual([
    'nslookup -type=SRV _ldap._tcp.dc._msdcs.corp.test',
  ]);
  expect(only(none, 'directory.rights').standing).toBe('skip');
});

describe('on the command line', () => {
  test('results come for people, with a summary, and for programs as JSON', async () => {
    const { config } = await doctorRig();
    const people = await passback(['doctor', '--config', config]);
    expect(people).toMatchObject({ err: '', code: 0 });
    expect(people.out).toMatch(
      /^PASS {2}Rights \(OU=People,DC=corp,DC=test\): all three are there$/m,
    );
    expect(people.out).toMatch(/\d+ passed, \d+ warnings, 0 failed, \d+ skipped$/);
    expect(people.out).not.toContain('\u001b');
    const inColour = await passback(['doctor', '--config', config], {}, { colours: true });
    expect(inColour.out).toContain('\u001b[32mPASS\u001b[0m');
    const { out } = await passback(['doctor', '--config', config, '--json']);
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      counts: { fail: 0 },
      checks: expect.any(Array) as [],
    });
  });

  test('the exit code tells a failure from a bad configuration', async () => {
    const { config, state } = await doctorRig();
    await chmod(state, 0o755);
    expect((await passback(['doctor', '--config', config])).code).toBe(1);
    expect((await passback(['doctor', '--config', config], { PASSBACK_DRAIN_MS: 'x' })).code).toBe(
      78,
    );
    expect((await passback(['doctor', '--config', join(state, 'nothing.yaml')])).code).toBe(78);
  });

  test('a canary needs a person who says yes, or --yes', async () => {
    const made = await doctorRig();
    const canary = ['doctor', '--config', made.config, '--canary', 'anna'];
    const nobody = await passback(canary);
    expect(nobody).toMatchObject({ code: 1, out: '' });
    expect(nobody.err).toContain('--yes');
    await passback(canary, {}, { confirm: async () => false });
    expect(made.writes()).toBe(0);
    const done = await passback([...canary, '--yes']);
    expect(done.out).toMatch(/^PASS {2}Reset of the canary: /m);
    expect(made.writes()).toBe(1);
    expect(done.out).not.toContain(made.domain.account('anna').state.password);
  });

  test.each([['--url', 'http://reset.example.com'], ['--frob']])(
    '%s %s is refused',
    async (...flags) => {
      expect((await passback(['doctor', ...flags.filter(Boolean)])).code).toBe(1);
    },
  );
});

test('inspected TLS is a warning, and names who inspects', async () => {
  await using cloud = await startTestCloud();
  const ca = await createTestCa('Corp Web Gateway');
  await using proxy = await ConnectProxy.start({
    act: () => ({ kind: 'inspect', ca, upstreamCa: cloud.tls.ca }),
  });
  const { path, run } = await doctorRig({ settings: { service: { proxy: { url: proxy.url } } } });
  await mkdir(join(path, 'cas'));
  await writeFile(join(path, 'cas', 'ca.pem'), ca.ca);
  const env = { PASSBACK_SERVICE_CA_FILE: join(path, 'cas', 'ca.pem') };
  const url = cloud.address.replace('127.0.0.1', 'localhost');
  const found = only(await run({ url, env }), 'service.certificate');
  expect(found).toMatchObject({
    standing: 'warn',
    found: expect.stringContaining('Corp Web Gateway') as string,
  });
});
