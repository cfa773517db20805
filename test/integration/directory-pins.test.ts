import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  openActiveDirectory,
  type ActiveDirectoryOptions,
} from '../../src/agent/directory/active-directory.ts';
import { loadConfig } from '../../src/agent/config/load-config.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import { openConfigured } from '../../src/agent/open-directory.ts';
import { systemClock } from '../../src/support/clock.ts';
import { keyDigest } from '../../src/support/key-digest.ts';
import { Secret } from '../../src/support/secret.ts';
import { doctorRig } from '../support/doctor-rig.ts';
import { eventually } from '../support/eventually.ts';
import { ANNA_GUID, ldapDomain } from '../support/ldap-domain.ts';
import {
  startLdapServer,
  type LdapServer,
  type LdapServerOptions,
} from '../support/ldap-server.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { createTestCa, type TestCa, type TestCertificate } from '../support/test-ca.ts';

const NEVER = new AbortController().signal;
const ANNA = { objectGuid: ANNA_GUID };

let root: TestCa;
let issuing: TestCa;
let leaf: TestCertificate;
let other: string;

beforeAll(async () => {
  root = await createTestCa('Corp Root CA');
  issuing = await createTestCa('Corp Issuing CA', { under: root });
  leaf = await issuing.issue(['dc1.corp.test']);
  other = digestOf((await createTestCa('Somebody else')).ca);
});

function digestOf(pem: string): string {
  return keyDigest(new X509Certificate(pem));
}

/** A controller that shows these certificates, its own first. */
async function controller(
  { key }: Pick<TestCertificate, 'key'> = leaf,
  shown: readonly string[] = [leaf.cert, issuing.ca],
): Promise<LdapServer> {
  const certificate: LdapServerOptions['certificate'] = { key, cert: shown.join('\n') };
  const server = await startLdapServer({ certificate, answer: ldapDomain() });
  onTestFinished(() => server.stop());
  return server;
}

function open(
  { port }: LdapServer,
  pinnedKeys: readonly string[],
  options: Partial<ActiveDirectoryOptions> = {},
): Directory {
  const directory = openActiveDirectory({
    domainControllers: [{ name: 'dc1.corp.test', address: '127.0.0.1', port }],
    ca: [root.ca],
    pinnedKeys,
    bind: { user: 'agent@corp.test', password: async () => new Secret('Agent-1-password') },
    clock: systemClock,
    log: new MemoryLog(),
    ...options,
  });
  onTestFinished(() => directory[Symbol.asyncDispose]());
  return directory;
}

/** What a directory that was not spoken to says of it. */
async function refusal(server: LdapServer, directory: Directory): Promise<string> {
  const error = await directory.read(ANNA, NEVER).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'DirectoryError', code: 'DIRECTORY_CONFIG' });
  // The end comes behind whatever was sent.
  await eventually(() => server.openBelow === 0);
  expect(server.receivedBytes).toBe(0);
  return (error as Error).message;
}

describe('a controller is spoken to when one key of its verified chain is pinned', () => {
  test.each<[string, () => string[]]>([
    ['its own', () => [digestOf(leaf.cert)]],
    ['that of the CA that issued its certificate', () => [digestOf(issuing.ca)]],
    ['that of the CA at the top, which it does not show', () => [digestOf(root.ca)]],
    ['one of several', () => [other, digestOf(issuing.ca)]],
    ['none asked for', () => []],
  ])('%s', async (_whose, pinnedKeys) => {
    const server = await controller();
    await expect(open(server, pinnedKeys()).read(ANNA, NEVER)).resolves.toMatchObject(ANNA);
    expect(server.requests.map(({ op }) => op)).toContain('bind');
  });

  test('on every connection: none resumes the session of one before', async () => {
    const server = await controller();
    const directory = open(server, [digestOf(issuing.ca)]);
    await expect(directory.read(ANNA, NEVER)).resolves.toMatchObject(ANNA);
    server.cutAll();
    await expect(directory.read(ANNA, NEVER)).resolves.toMatchObject(ANNA);
    expect(server.connections).toBeGreaterThan(1);
    expect(server.resumed).toBe(0);
  });
});

test('a controller with no pinned key in its good chain is sent nothing, and named with its keys and the cure', async () => {
  const server = await controller();
  const message = await refusal(server, open(server, [other]));
  expect(message).toBe(
    `the certificate of dc1.corp.test (127.0.0.1:${server.port}) is valid, but no key of its chain is in directory.pinnedKeys: something stands in between, or a key was replaced. Add one of these once whoever runs the controller has confirmed it: ${digestOf(leaf.cert)} (its own key), ${digestOf(issuing.ca)} (the key of the CA "CN=Corp Issuing CA"), ${digestOf(root.ca)} (the key of the CA "CN=Corp Root CA")`,
  );
});

test('the agent pins the keys that its configuration lists', async () => {
  const { config: file, servers } = await doctorRig({ directory: { pinnedKeys: [other] } });
  const config = await loadConfig({ file, env: {}, readText: (path) => readFile(path, 'utf8') });
  const log = new MemoryLog();
  const [server] = servers;
  if (server === undefined) throw new Error('the rig has a controller');
  await using directory = await openConfigured({ config, log, clock: systemClock });
  expect(await refusal(server, directory)).toContain(
    'no key of its chain is in directory.pinnedKeys',
  );
});

test('a certificate that only claims to have the pinned key counts for nothing', async () => {
  const pinned = await createTestCa('Pinned CA');
  const claiming = await createTestCa('Corp Issuing CA', { showsKeyOf: pinned });
  // The chain that is verified goes by the CA that is trusted here; what is shown does not.
  const server = await controller(leaf, [leaf.cert, claiming.ca]);
  const directory = open(server, [digestOf(pinned.ca)], { ca: [issuing.ca, root.ca] });
  const message = await refusal(server, directory);
  expect(message).toContain('is valid, but no key of its chain is in directory.pinnedKeys');
  expect(message).toContain(`confirmed it: ${digestOf(leaf.cert)} (its own key)`);
  expect(message).not.toContain(digestOf(pinned.ca));
});

test('a pinned key makes no CA trusted', async () => {
  const server = await controller();
  const pinnedKeys = [leaf.cert, issuing.ca, root.ca].map(digestOf);
  const ca = [(await createTestCa('Another')).ca];
  expect(await refusal(server, open(server, pinnedKeys, { ca }))).toContain(
    'is not signed by a trusted CA',
  );
});

test('a pinned key makes no other name good', async () => {
  const elsewhere = await issuing.issue(['dc9.corp.test']);
  const server = await controller(elsewhere, [elsewhere.cert, issuing.ca]);
  const pinnedKeys = [elsewhere.cert, issuing.ca, root.ca].map(digestOf);
  expect(await refusal(server, open(server, pinnedKeys))).toContain('is for another name');
});

test('a pinned key makes no expired certificate good', async () => {
  const notAfter = new Date(Date.now() - 60_000);
  const expired = await issuing.issue(['dc1.corp.test'], { notAfter });
  const server = await controller(expired, [expired.cert, issuing.ca]);
  expect(await refusal(server, open(server, [digestOf(expired.cert)]))).toContain('has expired');
});
