import { once } from 'node:events';
import { Resolver } from 'node:dns/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  openActiveDirectory,
  type ActiveDirectoryOptions,
} from '../../src/agent/directory/active-directory.ts';
import type { AccountChange, Directory } from '../../src/agent/directory/directory.ts';
import type { DomainController } from '../../src/agent/directory/tls-socket.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import { startDnsServer, type DnsAnswer } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import {
  ANNA_GUID,
  ldapDomain,
  passwordMetadata,
  type LdapDomainOptions,
} from '../support/ldap-domain.ts';
import { startLdapServer, type LdapServer } from '../support/ldap-server.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { createTestCa, type TestCa, type TestCertificate } from '../support/test-ca.ts';

const NEVER = new AbortController().signal;
const ANNA = { objectGuid: ANNA_GUID };
const TIMEOUTS = {
  connectMs: 2_000,
  headStartMs: 150,
  readMs: 2_000,
  writeMs: 2_000,
  totalMs: 4_000,
};
const RESET: AccountChange = {
  op: 'reset',
  policyHints: 'off',
  password: new Secret('Planted-1-new-password'),
  unlock: true,
  mustChange: false,
};
const [DC1, DC2, DC3] = ['dc1.corp.test', 'dc2.corp.test', 'dc3.corp.test'] as const;

let ca: TestCa;
let certificate: TestCertificate;
let log: MemoryLog;
const running: AsyncDisposable[] = [];

/** Time that runs as it does, and now and then a good deal faster. */
let shiftMs = 0;
const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + shiftMs };

beforeAll(async () => {
  ca = await createTestCa();
  certificate = await ca.issue([DC1, DC2, DC3]);
});

beforeEach(() => {
  shiftMs = 0;
});

afterEach(async () => {
  for (const resource of running.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

async function controller(options: LdapDomainOptions = {}): Promise<LdapServer> {
  const server = await startLdapServer({ certificate, answer: ldapDomain(options) });
  running.push(server);
  return server;
}

/** Takes connections and says nothing, for ever. */
async function silent(): Promise<{ readonly port: number; readonly connections: number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  running.push({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return sockets.length;
    },
  };
}

async function dead(): Promise<{ port: number }> {
  const server = await controller();
  await server.stop();
  return server;
}

type Place = { readonly port: number };

function at(name: string, { port }: Place): DomainController {
  return { name, address: '127.0.0.1', port };
}

function open(
  domainControllers: ActiveDirectoryOptions['domainControllers'],
  options: Partial<ActiveDirectoryOptions> = {},
): Directory {
  log = new MemoryLog();
  const directory = openActiveDirectory({
    domainControllers,
    ca: [ca.ca],
    bind: { user: 'agent@corp.test', password: async () => new Secret('Agent-1-password') },
    timeouts: TIMEOUTS,
    clock,
    log,
    ...options,
  });
  running.push(directory);
  return directory;
}

async function controllerOf(directory: Directory, address = ANNA) {
  return (await directory.read(address, NEVER)).controller;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const started = performance.now();
  return { result: await work(), ms: performance.now() - started };
}

describe('the clock of whoever wrote the password', () => {
  const OTHER = '66666666-7777-4888-8999-bbbbbbbbbbbb';
  const written = { replPropertyMetaData: [passwordMetadata(OTHER, '133000000000000000')] };

  /** Its clock is an hour ahead. */
  function ahead(): Promise<LdapServer> {
    const text = new Date(Date.now() + 3_600_000).toISOString().replaceAll(/[-:T]|\..*/g, '');
    return controller({ invocationId: OTHER, rootDse: { currentTime: [`${text}.0Z`] } });
  }

  test('is known from its probe, also once it is gone', async () => {
    const other = await ahead();
    const here = await controller({ account: written });
    const directory = open([at(DC1, here), at(DC2, other)]);
    expect((await directory.read(ANNA, NEVER)).writerTime).toBeUndefined();
    await directory.check(NEVER);
    await other.stop();
    await directory.check(NEVER);
    const { controller: name, writerTime, readAtMs } = await directory.read(ANNA, NEVER);
    expect(name).toBe(DC1);
    const aheadMs = (writerTime?.ms ?? 0) - readAtMs;
    expect(aheadMs).toBeGreaterThan(3_540_000);
    expect(aheadMs).toBeLessThan(3_600_000 + 1_000);
  });

  test('is known from an account that was read there', async () => {
    const directory = open([
      at(DC1, await controller({ account: written })),
      at(DC2, await ahead()),
    ]);
    await directory.read(ANNA, NEVER, { only: DC2 });
    const { controllerTimeMs, writerTime } = await directory.read(ANNA, NEVER);
    expect((writerTime?.ms ?? 0) - controllerTimeMs).toBeGreaterThan(3_540_000);
  });

  test('is told of the moment of the reading, however long its policy took', async () => {
    const policy = 'CN=Strict,CN=Password Settings Container,CN=System,DC=corp,DC=test';
    const account = { ...written, 'msDS-ResultantPSO': [policy] };
    const instead = ({ dn }: { readonly dn: string }): undefined => {
      if (dn === policy) shiftMs += 1_500;
    };
    const here = await controller({ account, invocationId: OTHER, instead });
    const { controllerTimeMs, writerTime } = await open([at(DC1, here)]).read(ANNA, NEVER);
    expect(shiftMs).toBe(1_500);
    const apartMs = (writerTime?.ms ?? 0) - controllerTimeMs; // told as of two moments, 1,500 apart
    expect(Math.abs(apartMs)).toBeLessThan(1_000);
  });
});

describe('whoever waits', () => {
  test('has an answer in time behind a dead and a silent controller, and the next at once', async () => {
    const stuck = await silent();
    const directory = open([
      at(DC1, await dead()),
      at(DC2, stuck),
      at(DC3, await controller({ pdc: DC2 })),
    ]);
    const first = await timed(() => controllerOf(directory));
    expect(first.result).toBe(DC3);
    expect(first.ms).toBeLessThan(TIMEOUTS.connectMs);
    const second = await timed(() => controllerOf(directory));
    expect(second.result).toBe(DC3);
    expect(second.ms).toBeLessThan(TIMEOUTS.headStartMs);
  });

  test('does not wait for a controller that may be back, which is looked after meanwhile', async () => {
    const stuck = await silent();
    const directory = open([at(DC1, stuck), at(DC2, await controller({ pdc: DC1 }))]);
    expect(await controllerOf(directory)).toBe(DC2);
    await eventually(() => log.of('directory.down').length === 1);
    const before = stuck.connections;
    shiftMs += 16_000;
    const { result, ms } = await timed(() => controllerOf(directory));
    expect(result).toBe(DC2);
    expect(ms).toBeLessThan(TIMEOUTS.headStartMs);
    await eventually(() => stuck.connections > before);
  });

  test('is back with the PDC emulator soon after that one is back', async () => {
    let up = false;
    const pdc = await controller({ pdc: DC1, instead: () => (up ? undefined : 'cut') });
    const directory = open([at(DC1, pdc), at(DC2, await controller({ pdc: DC1 }))]);
    expect(await controllerOf(directory)).toBe(DC2);
    up = true;
    expect(await controllerOf(directory)).toBe(DC2);
    shiftMs += 16_000;
    await eventually(async () => {
      expect(await controllerOf(directory)).toBe(DC1);
    });
    expect(log.of('directory.up').map(({ fields }) => fields.controller)).toContain(DC1);
  });

  test('hears that all connections are in use, and the controller is not blamed', async () => {
    const server = await controller({
      instead: ({ op }) => (op === 'modify' ? 'silence' : undefined),
    });
    const directory = open([at(DC1, server)], {
      connections: 1,
      timeouts: { ...TIMEOUTS, readMs: 200, writeMs: 600 },
    });
    const target = { ...ANNA, controller: DC1 };
    const writes = [1, 2].map(() => directory.apply(target, RESET, NEVER));
    const codes = (await Promise.allSettled(writes)).map((one) =>
      one.status === 'rejected' ? (one.reason as { code: string }).code : 'APPLIED',
    );
    expect(codes).toEqual(['INDETERMINATE', 'DIRECTORY_BUSY']);
  });
});

describe('an account', () => {
  test('stays where it was written until the preferred controller has caught up', async () => {
    let pwdLastSet = '133000000000000000';
    const account = (own: () => string) => ({
      instead: ({ dn }: { dn: string }) =>
        dn.startsWith('<GUID')
          ? ldapDomain({ account: { pwdLastSet: [own()] } })({ op: 'search', dn } as never)
          : undefined,
    });
    let pdcUp = true;
    const behind = account(() => pwdLastSet);
    const pdc = await controller({
      pdc: DC1,
      instead: (request) => (pdcUp ? behind.instead(request) : 'cut'),
    });
    const other = await controller({ pdc: DC1, ...account(() => '133000000000000001') });
    const directory = open([at(DC1, pdc), at(DC2, other)]);
    expect(await controllerOf(directory)).toBe(DC1);

    pdcUp = false;
    pdc.cutAll();
    expect(await controllerOf(directory)).toBe(DC2);
    await directory.apply({ ...ANNA, controller: DC2 }, RESET, NEVER);
    pdcUp = true;
    shiftMs += 16_000;
    const reads = (): number => pdc.requests.filter(({ dn }) => dn.startsWith('<GUID')).length;
    const before = reads();
    await eventually(async () => {
      expect(await controllerOf(directory)).toBe(DC2);
      expect(reads()).toBeGreaterThan(before); // it is back, and shows the old password
    });
    expect(await controllerOf(directory)).toBe(DC2);
    expect((await directory.read({ name: 'anna' }, NEVER)).controller).toBe(DC2);

    pwdLastSet = '133000000000000001';
    await eventually(async () => {
      expect(await controllerOf(directory)).toBe(DC1);
    });
  });

  test('is read elsewhere when the controller it was written on is gone', async () => {
    const written = await controller({ pdc: DC2 });
    const directory = open([at(DC1, written), at(DC2, await controller({ pdc: DC2 }))]);
    await directory.apply({ ...ANNA, controller: DC1 }, RESET, NEVER);
    expect(await controllerOf(directory)).toBe(DC1);
    await written.stop();
    expect(await controllerOf(directory)).toBe(DC2);
  });

  test('stays also where it may have been written', async () => {
    const cut = await controller({
      pdc: DC2,
      instead: ({ op }) => (op === 'modify' ? 'cut' : undefined),
    });
    const directory = open([
      at(DC1, cut),
      at(DC2, await controller({ pdc: DC2, account: { pwdLastSet: ['1'] } })),
    ]);
    await directory.apply({ ...ANNA, controller: DC1 }, RESET, NEVER).catch(() => undefined);
    shiftMs += 16_000;
    await eventually(async () => {
      expect(await controllerOf(directory)).toBe(DC1);
    });
  });
});

describe('a domain that is looked up', () => {
  const ALL = '_ldap._tcp.dc._msdcs.corp.test';
  const PDC = '_ldap._tcp.pdc._msdcs.corp.test';

  async function lookUp(
    zone: Readonly<Record<string, DnsAnswer>> | ((name: string) => DnsAnswer | undefined),
    servers: Readonly<Record<string, Place>>,
    site?: string,
  ) {
    const answer = typeof zone === 'function' ? zone : (name: string) => zone[name];
    const dns = await startDnsServer(answer);
    running.push(dns);
    const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers([dns.address]);
    const directory = open({
      domain: 'corp.test',
      ...(site !== undefined && { site }),
      resolver,
      place: (name) => at(name, servers[name] ?? { port: 1 }),
      random: () => 0,
    });
    return { dns, directory };
  }

  test('is asked on the PDC emulator that DNS names, by the name that its certificate has', async () => {
    const servers = {
      [DC1]: await controller({ pdc: DC2 }),
      [DC2]: await controller({ pdc: DC2 }),
    };
    const zone = { [ALL]: [{ name: DC1 }, { name: DC2 }], [PDC]: [{ name: DC2 }] };
    const { dns, directory } = await lookUp(zone, servers);
    expect(await controllerOf(directory)).toBe(DC2);
    expect(dns.asked.toSorted()).toEqual([ALL, PDC]);
    const health = await directory.check(NEVER);
    expect(health.map(({ name }) => name)).toEqual([DC1, DC2]);
  });

  test('is asked in the site of the agent first', async () => {
    const servers = { [DC1]: await controller(), [DC2]: await controller({ pdc: DC2 }) };
    const zone = {
      [ALL]: [{ name: DC1 }, { name: DC2 }],
      ['_ldap._tcp.berlin._sites.dc._msdcs.corp.test']: [{ name: DC2 }],
    };
    const { directory } = await lookUp(zone, servers, 'Berlin');
    expect(await controllerOf(directory)).toBe(DC2);
  });

  test('is not asked on a read-only controller of the site, nor is that one missed', async () => {
    const rootDse = { supportedCapabilities: ['1.2.840.113556.1.4.1920'] };
    const servers = { [DC1]: await controller({ rootDse }), [DC2]: await controller({ pdc: DC2 }) };
    const zone = {
      [ALL]: [{ name: DC2 }],
      ['_ldap._tcp.branch._sites.dc._msdcs.corp.test']: [{ name: DC1 }],
    };
    const { directory } = await lookUp(zone, servers, 'branch');
    expect(await controllerOf(directory)).toBe(DC2);
    await directory.check(NEVER);
    expect((await directory.check(NEVER)).map(({ name }) => name)).toEqual([DC2]);
  });

  test('never gets the password of the service account to a host whose certificate has another name', async () => {
    const server = await startLdapServer({
      certificate: await ca.issue(['dc9.corp.test']),
      answer: ldapDomain(),
    });
    running.push(server);
    const { directory } = await lookUp({ [ALL]: [{ name: DC1 }] }, { [DC1]: server });
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject({ code: 'DIRECTORY_CONFIG' });
    expect(server.requests).toEqual([]);
  });

  test('stays known while DNS is away, and is looked up again later', async () => {
    let up = true;
    const servers = { [DC1]: await controller(), [DC2]: await controller({ pdc: DC2 }) };
    let names: string[] = [DC1];
    const { dns, directory } = await lookUp(
      (name) =>
        up ? (name === ALL ? names.map((one) => ({ name: one })) : undefined) : 'servfail',
      servers,
    );
    expect(await controllerOf(directory)).toBe(DC1);
    up = false;
    shiftMs += 11 * 60_000;
    const before = dns.asked.length;
    expect(await controllerOf(directory)).toBe(DC1);
    await eventually(() => log.of('directory.discovery_failed').length === 1);
    expect(dns.asked.length).toBeGreaterThan(before);
    up = true;
    names = [DC2];
    shiftMs += 11 * 60_000;
    await eventually(async () => {
      expect(await controllerOf(directory)).toBe(DC2);
    });
  });

  test('is looked up again as soon as no known controller answers', async () => {
    const first = await controller();
    const servers = { [DC1]: first, [DC2]: await controller() };
    let names: string[] = [DC1];
    const { directory } = await lookUp(
      (name) => (name === ALL ? names.map((one) => ({ name: one })) : undefined),
      servers,
    );
    expect(await controllerOf(directory)).toBe(DC1);
    await first.stop();
    names = [DC2];
    shiftMs += 6_000;
    expect(await controllerOf(directory)).toBe(DC2);
    expect(log.of('directory.found')).toHaveLength(2);
  });

  test('can still be asked for a write on a controller that DNS names no longer', async () => {
    const servers = { [DC1]: await controller(), [DC2]: await controller() };
    let names: string[] = [DC1];
    const { directory } = await lookUp(
      (name) => (name === ALL ? names.map((one) => ({ name: one })) : undefined),
      servers,
    );
    expect(await controllerOf(directory)).toBe(DC1);
    names = [DC2];
    shiftMs += 11 * 60_000;
    await eventually(async () => {
      expect(await controllerOf(directory)).toBe(DC2);
    });
    const reading = await directory.read(ANNA, NEVER, { only: DC1 });
    expect(reading.controller).toBe(DC1);
  });

  test.each<[string, DnsAnswer | undefined, string, RegExp]>([
    [
      'does not exist',
      undefined,
      'DIRECTORY_CONFIG',
      /DNS has no _ldap.*correct directory\.domain/,
    ],
    ['has no controllers', [], 'DIRECTORY_CONFIG', /DNS has no/],
    ['cannot be looked up', 'servfail', 'DIRECTORY_UNREACHABLE', /SERVFAIL/],
    ['is not answered for', 'silence', 'DIRECTORY_UNREACHABLE', /no DNS server answers/],
  ])('that %s is an error with its cure, in the status too', async (_, answer, code, message) => {
    const { directory } = await lookUp(() => answer, {});
    const failed = expect.stringMatching(message) as string;
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject({ code, message: failed });
    expect(await directory.check(NEVER)).toEqual([
      { name: 'corp.test', reachable: false, bound: false, problem: failed },
    ]);
  });
});
