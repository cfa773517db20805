import { X509Certificate } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { chmod, chown, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { askAgent } from '../../src/agent/cli/local-client.ts';
import type { CheckResult } from '../../src/support/checks.ts';
import { systemClock } from '../../src/support/clock.ts';
import { KEY_DIGEST_COMMAND, keyDigest } from '../../src/support/key-digest.ts';
import { ConnectProxy, type ProxyAct } from '../support/connect-proxy.ts';
import { startDnsServer } from '../support/dns-server.ts';
import { only, doctorRig, type DoctorRig, type DoctorRigOptions } from '../support/doctor-rig.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { paste } from '../support/paste.ts';
import { Program } from '../support/program.ts';
import { passback } from '../support/run-passback.ts';
import { createToken } from '../support/scripted-agent.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { startTestCloud, TEST_DIRECTORY, type TestCloud } from '../support/start-cloud.ts';
import { createTestCa } from '../support/test-ca.ts';

// Each sets something up wrong, sees what doctor says of it, does what it says, and sees the check pass.
// Missing rights and inheritance are in test/directory: only a real directory follows those commands.

const DAY_MS = 86_400_000;
const YESTERDAY = new Date(Date.now() - DAY_MS);
const IN_A_YEAR = new Date(Date.now() + 365 * DAY_MS);
const NAMES = ['127.0.0.1', 'localhost'];
const ANY_DIGEST = `${'A'.repeat(43)}=`;

const hasOpenssl = await paste(['openssl version'], { cwd: '.' }).then(
  () => true,
  () => false, // nothing else here needs it
);

const linesOf = ({ commands = [] }: CheckResult): readonly string[] =>
  commands.flatMap(({ lines }) => lines);

/** A machine that trusts a started service, and looks at the way to it. */
async function before(cloud: TestCloud, options: DoctorRigOptions = {}) {
  const made = await doctorRig(options);
  const caFile = join(made.path, 'ca.pem');
  await writeFile(caFile, cloud.tls.ca);
  const look = (more: Parameters<DoctorRig['run']>[0] = {}) =>
    made.run({
      url: cloud.address,
      ...more,
      env: { PASSBACK_SERVICE_CA_FILE: caFile, ...more.env },
    });
  return { ...made, look };
}

describe('a wrong CA', () => {
  test('before a domain controller: its certificate goes into the file that is named', async () => {
    const ca = await createTestCa('Corp Issuing CA 7');
    const { run, path } = await doctorRig({ certificate: { ca } });
    const found = only(await run(), 'directory.tls');
    expect(found.standing).toBe('fail');
    expect(found.found).toMatch(
      /issued by "CN=Corp Issuing CA 7", SHA-256 of .* shown ([0-9A-F]{2}:){31}/,
    );
    expect(found.remedy).toContain('put it (PEM) into the file of directory.caFile');
    await writeFile(join(path, 'dc-ca.pem'), ca.ca);
    expect(only(await run(), 'directory.tls')).toMatchObject({ standing: 'pass' });
  });

  test('before the service: the setting that is named gets it', async () => {
    await using cloud = await startTestCloud();
    const { path, run } = await doctorRig({ settings: { service: { systemCa: false } } });
    const found = only(await run({ url: cloud.address }), 'service.connect');
    expect(found).toMatchObject({ standing: 'fail', about: cloud.address });
    expect(found.found).toContain('"CN=Passback Test CA"');
    expect(found.remedy).toContain('service.caFile');
    await writeFile(join(path, 'ca.pem'), cloud.tls.ca);
    const env = { PASSBACK_SERVICE_CA_FILE: join(path, 'ca.pem') };
    expect(only(await run({ url: cloud.address, env }), 'service.connect').standing).toBe('pass');
  });
});

describe('an expired certificate', () => {
  test('of a domain controller: it is renewed there, at the same port', async () => {
    const { run, renew } = await doctorRig({ certificate: { notAfter: YESTERDAY } });
    const found = only(await run(), 'directory.tls');
    expect(found).toMatchObject({ standing: 'fail', about: 'dc1.corp.test' });
    expect(found.found).toMatch(
      /^the certificate of dc1\.corp\.test \(.*\) has expired on .* GMT: renew it on the domain controller$/,
    );
    expect(Date.parse(/ on (.* GMT)/.exec(found.found)?.[1] ?? '')).toBe(
      Math.floor(YESTERDAY.getTime() / 1_000) * 1_000,
    );
    expect(found.remedy).toContain('Have the CA issue dc1.corp.test a new one');
    renew();
    expect(only(await run(), 'directory.tls')).toMatchObject({ standing: 'pass' });
  });

  test('of the CA of a domain controller: the CA, then the controller, then the file', async () => {
    const old = await createTestCa('Corp Old CA', { notAfter: YESTERDAY });
    const { run, path, servers } = await doctorRig({ certificate: { ca: old } });
    await writeFile(join(path, 'dc-ca.pem'), old.ca);
    const found = only(await run(), 'directory.tls');
    expect(found.standing).toBe('fail');
    expect(found.found).toMatch(
      /^the certificate of the CA "CN=Corp Old CA", above that of .*, has expired on .* GMT: renew it at the CA$/,
    );
    expect(found.remedy).toContain("Renew that CA's certificate");
    const renewed = await createTestCa('Corp Old CA', { notAfter: IN_A_YEAR });
    servers[0]?.renew(await renewed.issue(['dc1.corp.test'], { notAfter: IN_A_YEAR }));
    await writeFile(join(path, 'dc-ca.pem'), renewed.ca);
    expect(only(await run(), 'directory.tls')).toMatchObject({ standing: 'pass' });
  });

  test('of the service: it is renewed in the files that are named', async () => {
    const ca = await createTestCa();
    const tls = await ca.issue(NAMES, { notAfter: YESTERDAY });
    await using cloud = await startTestCloud({ tls });
    const { look } = await before(cloud);
    const found = only(await look(), 'service.connect');
    expect(found).toMatchObject({ standing: 'fail', about: cloud.address });
    expect(found.found).toMatch(/the certificate has expired: "CN=127\.0\.0\.1" on .* GMT$/);
    expect(found.remedy).toContain('in listen.certificateFile and listen.keyFile of the service');
    const renewed = await ca.issue(NAMES, { notAfter: IN_A_YEAR });
    await writeFile(join(cloud.folder.path, '..', 'key.pem'), renewed.key);
    await writeFile(join(cloud.folder.path, '..', 'cert.pem'), renewed.cert);
    await cloud.restart();
    const results = await look();
    expect(only(results, 'service.connect')).toMatchObject({ standing: 'pass' });
    expect(only(results, 'service.certificate')).toMatchObject({ standing: 'pass' });
  });
});

describe('a key that is not pinned', () => {
  test('of a controller that was renewed: the digest that its people confirm is added', async () => {
    const old = keyDigest(new X509Certificate((await createTestCa('Old CA')).ca));
    const { run, configure } = await doctorRig({ directory: { pinnedKeys: [old] } });
    const found = only(await run(), 'directory.tls');
    expect(found).toMatchObject({ standing: 'fail', about: 'dc1.corp.test' });
    expect(found.found).toMatch(
      /^the certificate of dc1\.corp\.test \(.*\) is valid, but no key of its chain is in directory\.pinnedKeys: /,
    );
    expect(found.remedy).toContain('Ask whoever runs dc1.corp.test and its CA, by another way');
    expect(found.remedy).toContain('add to directory.pinnedKeys beside those there');
    expect(linesOf(found)).toEqual([KEY_DIGEST_COMMAND]);
    const digestOf = (whose: string): string =>
      new RegExp(`(\\S{44}) \\(${whose}\\)`).exec(found.found)?.[1] ?? 'none';
    for (const whose of ['the key of the CA "CN=Passback Test CA"', 'its own key']) {
      await configure({ pinnedKeys: [old, digestOf(whose)] });
      expect(only(await run(), 'directory.tls')).toMatchObject({
        standing: 'pass',
        found: expect.stringMatching(
          new RegExp(`^certificate and name are good, until [-\\d]+; ${whose} is pinned$`),
        ) as string,
      });
    }
  });

  test.skipIf(!hasOpenssl)('its digest is the one that the command prints', async () => {
    const { run, path, configure } = await doctorRig({ directory: { pinnedKeys: [ANY_DIGEST] } });
    const [line = ''] = linesOf(only(await run(), 'directory.tls'));
    const said = await paste([line.replace('FILE.pem', 'dc-ca.pem')], { cwd: path });
    await configure({ pinnedKeys: [said.trim()] });
    expect(only(await run(), 'directory.tls')).toMatchObject({ standing: 'pass' });
  });

  test('of a certificate that ends soon is thought of when it is renewed, if it is its own', async () => {
    const certificate = { notAfter: new Date(Date.now() + 5 * DAY_MS) };
    const { run, configure } = await doctorRig({ certificate });
    expect(only(await run(), 'directory.tls').remedy).toBe('Renew it on the domain controller.');
    await configure({ pinnedKeys: [ANY_DIGEST] });
    const { found } = only(await run(), 'directory.tls');
    const [own = '', ofCa = ''] = [...found.matchAll(/\S{44}(?= \()/g)].map(([digest]) => digest);
    await configure({ pinnedKeys: [own] });
    expect(only(await run(), 'directory.tls')).toMatchObject({
      standing: 'warn',
      found: expect.stringMatching(/^its certificate ends on .*; its own key is pinned$/) as string,
      remedy: expect.stringContaining('first add the digest of the new one') as string,
    });
    await configure({ pinnedKeys: [ofCa] });
    expect(only(await run(), 'directory.tls').remedy).toBe('Renew it on the domain controller.');
  });
});

test('a wrong host name: the configuration gets the name in the certificate, and the address', async () => {
  const { run, servers, configure } = await doctorRig({
    certificate: { names: ['dc9.corp.test'] },
  });
  const found = only(await run(), 'directory.tls');
  expect(found).toMatchObject({ standing: 'fail', about: 'dc1.corp.test' });
  expect(found.found).toContain('is for another name');
  expect(found.found).toContain('dc9.corp.test');
  expect(found.remedy).toContain('Give directory.domainControllers the name in the certificate');
  const place = { name: 'dc9.corp.test', address: '127.0.0.1', port: servers[0]?.port };
  await configure({ domainControllers: [place] });
  expect(only(await run(), 'directory.tls')).toMatchObject({
    standing: 'pass',
    about: 'dc9.corp.test',
  });
});

describe('a skewed clock', () => {
  test('of this machine, against the service and a domain controller: it is set', async () => {
    await using cloud = await startTestCloud();
    const { look } = await before(cloud);
    const clock = { ...systemClock, now: () => Date.now() + 60_000 };
    const results = await look({ clock });
    const found = only(results, 'service.clock');
    expect(found).toMatchObject({
      standing: 'fail',
      found: expect.stringMatching(/differ by (59|6\d) s: this machine .*, the service /) as string,
    });
    expect(found.remedy).toContain('Set the one that is wrong');
    expect(only(results, 'directory.clock')).toMatchObject({
      standing: 'warn',
      found: expect.stringMatching(
        /differ by (59|6\d) s: this machine .*, dc1.corp.test /,
      ) as string,
    });
    const after = await look();
    expect(only(after, 'service.clock')).toMatchObject({ standing: 'pass' });
    expect(only(after, 'directory.clock')).toMatchObject({ standing: 'pass' });
  });

  test('of a domain controller: it is set there', async () => {
    let ahead = 10 * 60_000;
    const { run } = await doctorRig({ clock: { ...systemClock, now: () => Date.now() + ahead } });
    const found = only(await run(), 'directory.clock');
    expect(found).toMatchObject({
      standing: 'warn',
      found: expect.stringMatching(
        /differ by (599|600) s: this machine .*, dc1.corp.test /,
      ) as string,
    });
    expect(found.remedy).toContain('Set the one that is wrong');
    ahead = 0;
    expect(only(await run(), 'directory.clock')).toMatchObject({ standing: 'pass' });
  });
});

describe('a closed port', () => {
  test('of a domain controller: it runs again', async () => {
    const { run, servers } = await doctorRig();
    await servers[0]?.stop();
    const found = only(await run(), 'directory.connect');
    expect(found).toMatchObject({ standing: 'fail', about: 'dc1.corp.test' });
    expect(found.found).toContain('ECONNREFUSED');
    expect(found.remedy).toContain('see that the controller runs');
    await servers[0]?.start();
    expect(only(await run(), 'directory.connect')).toMatchObject({ standing: 'pass' });
  });

  test('of the service: it runs again', async () => {
    await using cloud = await startTestCloud();
    const { look } = await before(cloud);
    await cloud.stop();
    const found = only(await look(), 'service.connect');
    expect(found).toMatchObject({ standing: 'fail', about: cloud.address });
    expect(found.found).toContain('connection refused');
    expect(found.remedy).toContain('see that the service runs');
    await cloud.start();
    expect(only(await look(), 'service.connect')).toMatchObject({ standing: 'pass' });
  });
});

describe('DNS without SRV records', () => {
  const NAME = '_ldap._tcp.dc._msdcs.corp.test';

  async function without() {
    const made = await doctorRig({ directory: { domainControllers: null } });
    await using dns = await startDnsServer(() => undefined);
    const found = only(await made.run({ resolver: asking(dns.address) }), 'directory.discovery');
    expect(found).toMatchObject({ standing: 'fail' });
    expect(found.found).toContain(NAME);
    expect(linesOf(found)).toEqual([`nslookup -type=SRV ${NAME}`]);
    return { ...made, found };
  }

  function asking(server: string): Resolver {
    const resolver = new Resolver({ timeout: 1_000, tries: 2 });
    resolver.setServers([server]);
    return resolver;
  }

  test('the controllers are listed in the configuration', async () => {
    const { run, found, configure } = await without();
    expect(found.remedy).toContain('list directory.domainControllers');
    await configure({});
    const results = await run();
    expect(only(results, 'directory.discovery')).toMatchObject({ standing: 'pass' });
    expect(only(results, 'directory.bind')).toMatchObject({ standing: 'pass' });
  });

  test('or the DNS servers of the domain are asked', async () => {
    const { run, found, servers } = await without();
    expect(found.remedy).toContain('ask the DNS servers of the domain');
    await using dns = await startDnsServer((name) =>
      name === NAME.toLowerCase() ? [{ name: 'dc1.corp.test' }] : undefined,
    );
    const place = (name: string) => ({ name, address: '127.0.0.1', port: servers[0]?.port ?? 0 });
    const results = await run({ resolver: asking(dns.address), place });
    expect(only(results, 'directory.discovery').found).toContain('DNS names dc1.corp.test');
    expect(only(results, 'directory.bind')).toMatchObject({ standing: 'pass' });
  });
});

describe('a proxy that refuses', () => {
  test('without a login: it gets one from a private file', async () => {
    await using cloud = await startTestCloud();
    await using proxy = await ConnectProxy.start({ login: 'joe:Planted-Proxy-1' });
    const { path, look } = await before(cloud, {
      settings: { service: { proxy: { url: proxy.url } } },
    });
    const found = only(await look(), 'service.connect');
    expect(found).toMatchObject({ standing: 'fail' });
    expect(found.found).toContain('407');
    expect(found.remedy).toContain('service.proxy.credentialsFile');
    await writeFile(join(path, 'login'), 'joe:Planted-Proxy-1', { mode: 0o600 });
    const env = { PASSBACK_SERVICE_PROXY_CREDENTIALS_FILE: join(path, 'login') };
    const results = await look({ env });
    expect(only(results, 'service.connect')).toMatchObject({ standing: 'pass' });
    expect(JSON.stringify(results)).not.toContain('Planted');
  });

  test('the address: it allows it', async () => {
    await using cloud = await startTestCloud();
    let act: ProxyAct = { kind: 'say', text: 'HTTP/1.1 403 Forbidden\r\n\r\n' };
    await using proxy = await ConnectProxy.start({ act: () => act });
    const { look } = await before(cloud, { settings: { service: { proxy: { url: proxy.url } } } });
    const found = only(await look(), 'service.connect');
    expect(found).toMatchObject({ standing: 'fail' });
    expect(found.found).toContain('403');
    expect(found.remedy).toContain('allow CONNECT to the host and port of the service');
    act = { kind: 'tunnel' };
    expect(only(await look(), 'service.connect')).toMatchObject({ standing: 'pass' });
  });
});

test('a token that is used twice: a new one is made, and enrols', async () => {
  await using cloud = await startTestCloud();
  const token = await createToken(cloud);
  const enrol = async ({ path, config }: DoctorRig) => {
    await writeFile(join(path, 'used.token'), token, { mode: 0o600 });
    const flags = ['--url', cloud.address, '--token-file', join(path, 'used.token')];
    const env = { PASSBACK_SERVICE_CA_FILE: join(path, 'ca.pem') };
    return passback(['enroll', ...flags, '--config', config], env);
  };
  expect(await enrol(await before(cloud))).toMatchObject({ err: '', code: 0 });
  const second = await before(cloud);
  expect(await enrol(second)).toMatchObject({ code: 1 });
  const found = only(await second.look(), 'state.enrolment');
  expect(found.standing).toBe('fail');
  expect(found.found).toContain('the token was refused or is used up');
  expect(linesOf(found)).toHaveLength(2);
  await writeFile(join(second.path, 'admin.key'), cloud.adminKey, { mode: 0o600 });
  const caFile = join(second.path, 'ca.pem');
  await paste(
    linesOf(found).map((line) =>
      line.replace('DIRECTORY', TEST_DIRECTORY).replace('--url URL', `--url ${cloud.address}`),
    ),
    {
      cwd: second.path,
      env: { NODE_EXTRA_CA_CERTS: caFile, PASSBACK_SERVICE_CA_FILE: caFile },
    },
  );
  expect(only(await second.look(), 'state.enrolment')).toMatchObject({
    standing: 'pass',
    found: expect.stringMatching(/^agent \S+ of corp, /) as string,
  });
});

describe('a state folder that cannot be written to', () => {
  // Root may write everywhere: what it is to be asked for belongs to another account then.
  const owner = process.geteuid?.() === 0 ? { uid: 54_321, gid: 54_321 } : undefined;

  /** A machine whose files belong to the account of the agent, and what `passback doctor` says as that account. */
  async function machine() {
    const made = await doctorRig();
    const { path, config } = made;
    const look = async (id: string): Promise<CheckResult> => {
      for (const name of owner === undefined ? [] : ['', ...(await readdir(path))]) {
        await chown(join(path, name), owner?.uid ?? 0, owner?.gid ?? 0);
      }
      const asked = [`passback doctor --json --config ${config} || test $? = 1`];
      const { checks } = JSON.parse(await paste(asked, { cwd: path, owner })) as {
        readonly checks: readonly CheckResult[];
      };
      return only(checks, id);
    };
    return { ...made, look };
  }

  test('its owner opens it', async () => {
    const { path, state, look } = await machine();
    await chmod(state, 0o500);
    const found = await look('state.folder');
    expect(found.standing).toBe('fail');
    expect(found.found).toContain('nothing can be kept there');
    expect(linesOf(found)).toEqual([`chmod 700 ${state}`]);
    await paste(linesOf(found), { cwd: path, owner });
    expect(await look('state.folder')).toMatchObject({ standing: 'pass' });
  });

  test('or a journal in it, which is not to be given up for that: it is given to its owner', async () => {
    const { state, look } = await machine();
    const journal = join(state, 'journal.jsonl');
    await writeFile(journal, '', { mode: owner === undefined ? 0 : 0o600 });
    const found = await look('state.journal');
    expect(found).toMatchObject({ standing: 'fail' });
    expect(found.remedy).toContain('Give it to the account that runs the agent (chown)');
    if (owner === undefined) await chmod(journal, 0o600);
    else await chown(journal, owner.uid, owner.gid);
    expect(await look('state.journal')).toMatchObject({ standing: 'pass' });
  });
});

test('a second process: it is stopped, and the agent starts', async () => {
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory: new FakeDirectory() });
  const { stateFolder } = agent;
  const { run } = await doctorRig({ settings: { stateFolder } });
  const { config } = await doctorRig({
    settings: {
      ...{ stateFolder, service: { caFile: join(stateFolder, '..', 'ca.pem') } },
      health: { port: 0, socket: join(stateFolder, '..', 'by-hand.sock') },
    },
  });
  const askStatus = (socket: string) => askAgent({ socket, method: 'GET', path: '/status.json' });
  const look = async () => only(await run({ askStatus }), 'state.agent');
  await using byHand = new Program('agent', ['run', '--config', config]);
  await byHand.printed(/agent\.started/);
  agent.start();
  await expect(agent.stop()).rejects.toThrow(/./);
  const found = await look();
  expect(found.standing).toBe('fail');
  expect(found.found).toContain(`process ${byHand.process.pid ?? 0} works in ${stateFolder}`);
  expect(found.remedy).toContain('If it was started by hand, stop it');
  await byHand.stop();
  agent.start();
  await eventually(async () => {
    expect(await look()).toMatchObject({ standing: 'pass' });
  });
});
