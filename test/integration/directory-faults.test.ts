import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  openActiveDirectory,
  type ActiveDirectoryOptions,
} from '../../src/agent/directory/active-directory.ts';
import type { AccountChange, Directory, PolicyHints } from '../../src/agent/directory/directory.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import { eventually } from '../support/eventually.ts';
import { ANNA_GUID, ldapDomain, sid, type LdapDomainOptions } from '../support/ldap-domain.ts';
import {
  startLdapServer,
  type LdapAnswer,
  type LdapRequest,
  type LdapServer,
} from '../support/ldap-server.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { createTestCa, type TestCa, type TestCertificate } from '../support/test-ca.ts';

const NEVER = new AbortController().signal;
const ANNA = { objectGuid: ANNA_GUID };
const TIMEOUTS = { connectMs: 300, readMs: 300, writeMs: 400, totalMs: 2_000 };
const NEW_PASSWORD = 'Planted-1-new-password';
const RESET: AccountChange = {
  op: 'reset',
  policyHints: 'off',
  password: new Secret(NEW_PASSWORD),
  unlock: true,
  mustChange: false,
};
/** The Win32 code and comment of a rejected bind, as Windows says them. */
const BAD_BIND: LdapAnswer = {
  result: 49,
  diagnostic:
    '80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data 52e, v4563\0',
};

let ca: TestCa;
let certificate: TestCertificate;
let log: MemoryLog;
const running: AsyncDisposable[] = [];

beforeAll(async () => {
  ca = await createTestCa();
  certificate = await ca.issue(['dc1.corp.test', 'dc2.corp.test']);
});

afterEach(async () => {
  for (const resource of running.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  expect(log.text()).not.toContain(NEW_PASSWORD);
});

async function controller(options: LdapDomainOptions = {}): Promise<LdapServer> {
  const server = await startLdapServer({ certificate, answer: ldapDomain(options) });
  running.push(server);
  return server;
}

/** A controller that answers one kind of request wrongly. */
function faulty(op: LdapRequest['op'], answer: LdapAnswer): Promise<LdapServer> {
  return controller({ instead: (request) => (request.op === op ? answer : undefined) });
}

async function tcpServer(onSocket: (socket: Socket) => void): Promise<{ port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  running.push({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
  return { port: (server.address() as AddressInfo).port };
}

function open(
  servers: readonly { readonly port: number }[],
  options: Partial<ActiveDirectoryOptions> = {},
): Directory {
  log = new MemoryLog();
  const [first, ...others] = servers.map(({ port }, i) => ({
    name: `dc${i + 1}.corp.test`,
    address: '127.0.0.1',
    port,
  }));
  if (first === undefined) throw new Error('a directory needs a controller');
  const directory = openActiveDirectory({
    domainControllers: [first, ...others],
    ca: [ca.ca],
    bind: { user: 'agent@corp.test', password: async () => new Secret('Agent-1-password') },
    timeouts: TIMEOUTS,
    clock: systemClock,
    log,
    ...options,
  });
  running.push(directory);
  return directory;
}

function write(directory: Directory, change: AccountChange = RESET) {
  return directory.apply({ ...ANNA, controller: 'dc1.corp.test' }, change, NEVER);
}

function count(server: LdapServer, op: LdapRequest['op']): number {
  return server.requests.filter((request) => request.op === op).length;
}

describe('a write', () => {
  test.each<[string, LdapAnswer, string]>([
    ['the connection is cut when it was received', 'cut', 'closed'],
    ['the connection is cut in the middle of the answer', { cutAfter: 7 }, 'closed'],
    ['nothing is ever answered', 'silence', 'no answer within 400 ms'],
    ['garbage is answered', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'not LDAP'],
    ['2 GB are announced', Buffer.from('3084800000000a', 'hex'), '2147483648 bytes'],
    ['an indefinite length is announced', Buffer.from('3080', 'hex'), 'not LDAP'],
    ['it is broken inside', Buffer.from('300c02010267ffffffffffffffff', 'hex'), 'no answer'],
  ])('is not known, and not sent again, when %s', async (_when, answer, words) => {
    const server = await faulty('modify', answer);
    const directory = open([server]);
    await expect(write(directory)).rejects.toMatchObject({
      name: 'DirectoryError',
      code: 'INDETERMINATE',
      controller: 'dc1.corp.test',
      message: expect.stringContaining(words) as string,
    });
    expect(count(server, 'modify')).toBe(1);
    await eventually(() => server.open === 0);
  });

  test('is not known when it is stopped on its way', async () => {
    const server = await faulty('modify', 'silence');
    const directory = open([server]);
    const stop = new AbortController();
    const target = { ...ANNA, controller: 'dc1.corp.test' };
    const written = directory.apply(target, RESET, stop.signal);
    await Promise.all([
      expect(written).rejects.toMatchObject({ code: 'INDETERMINATE' }),
      eventually(() => count(server, 'modify') === 1).then(() => {
        stop.abort();
      }),
    ]);
  });

  test('is applied, even if the controller is gone before it could say when', async () => {
    const server = await controller({
      instead: ({ op, dn }) => (op === 'search' && dn.startsWith('<GUID') ? 'cut' : undefined),
    });
    expect(await write(open([server]))).toEqual({ historyEnforced: false });
  });

  test('that the server refuses leaves the connection as it is', async () => {
    const server = await faulty('modify', {
      result: 53,
      diagnostic: '0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\0',
    });
    const directory = open([server]);
    for (let i = 0; i < 3; i++) {
      await expect(write(directory)).rejects.toMatchObject({
        code: 'PASSWORD_POLICY',
        rules: [],
        diagnostic:
          'LDAP 53 0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0',
      });
    }
    expect(server.connections).toBe(1);
    expect(log.of('directory.refused')).toHaveLength(3);
  });

  test('over a connection that lost its bind changed nothing, and the next one has another', async () => {
    const server = await controller({
      instead: ({ op, connection }) =>
        op === 'modify' && connection === 1
          ? { result: 1, diagnostic: '000004DC: LdapErr: DSID-0C090A5C, comment: bind first' }
          : undefined,
    });
    const directory = open([server]);
    await expect(write(directory)).rejects.toMatchObject({ code: 'DIRECTORY_BUSY' });
    await expect(write(directory)).resolves.toMatchObject({ historyEnforced: false });
    expect(server.connections).toBe(2);
  });

  test('waits for a connection of its own', async () => {
    let open_ = 0;
    let most = 0;
    const server = await startLdapServer({
      certificate,
      answer: async (request) => {
        if (request.op !== 'modify') return ldapDomain()(request);
        open_ += 1;
        most = Math.max(most, open_);
        await new Promise((resolve) => setTimeout(resolve, 5));
        open_ -= 1;
        return {};
      },
    });
    running.push(server);
    // However slow the machine is, nobody gives up waiting.
    const timeouts = { ...TIMEOUTS, readMs: 20_000, writeMs: 20_000 };
    const directory = open([server], { connections: 2, timeouts });
    await Promise.all(Array.from({ length: 10 }, () => write(directory)));
    expect({ most, connections: server.connections }).toEqual({ most: 2, connections: 2 });
  });

  test('goes over a new connection when the old one was closed in the meantime', async () => {
    const server = await controller();
    const directory = open([server]);
    await write(directory);
    server.cutAll();
    await eventually(() => server.open === 0);
    await expect(write(directory)).resolves.toMatchObject({ historyEnforced: false });
    expect(count(server, 'modify')).toBe(2);
  });
});

describe('the password history', () => {
  const NEWER = '1.2.840.113556.1.4.2239';
  const OLDER = '1.2.840.113556.1.4.2066';
  const hinted = (policyHints: PolicyHints): AccountChange => ({ ...RESET, policyHints });
  const knowing = (...oids: string[]) => controller({ rootDse: { supportedControl: oids } });
  const controlsOf = (server: LdapServer) =>
    server.requests.filter(({ op }) => op === 'modify').map(({ controls }) => controls);

  test.each([
    ['require', [OLDER, NEWER], NEWER],
    ['prefer', [NEWER], NEWER],
    ['prefer', [OLDER], OLDER],
  ] as const)('is enforced by a critical control when told to %s', async (hints, known, oid) => {
    const server = await knowing(...known);
    const applied = await write(open([server]), hinted(hints));
    expect(applied).toMatchObject({ historyEnforced: true });
    const value = Buffer.from('3003020101', 'hex');
    expect(controlsOf(server)).toEqual([[{ oid, critical: true, value }]]);
  });

  test.each([
    ['off', [NEWER]],
    ['prefer', []],
  ] as const)(
    'is not claimed to be when told to %s by a controller with %j',
    async (hints, known) => {
      const server = await knowing(...known);
      const applied = await write(open([server]), hinted(hints));
      expect(applied).toMatchObject({ historyEnforced: false });
      expect(controlsOf(server)).toEqual([[]]);
    },
  );

  test('that a controller cannot enforce is a configuration error, and nothing is sent', async () => {
    const server = await knowing();
    await expect(write(open([server]), hinted('require'))).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      controller: 'dc1.corp.test',
      message: expect.stringContaining('dc1.corp.test does not know') as string,
    });
    expect(count(server, 'modify')).toBe(0);
  });

  test('is of no use to a change or an unlock, which go without the control', async () => {
    const server = await knowing(NEWER);
    const applied = await write(open([server]), { op: 'unlock' });
    expect(applied).toMatchObject({ historyEnforced: false });
    expect(controlsOf(server)).toEqual([[]]);
  });

  test('is asked about before the write: a cut there means that nothing was sent', async () => {
    const server = await controller({
      instead: ({ op, dn }) => (op === 'search' && dn === '' ? 'cut' : undefined),
    });
    await expect(write(open([server]), hinted('prefer'))).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
    });
    expect(count(server, 'modify')).toBe(0);
  });
});

describe('nothing was sent', () => {
  test('when the port is closed', async () => {
    const server = await controller();
    const directory = open([server]);
    await server.stop();
    await expect(write(directory)).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
      retryable: true,
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
    });
    expect(log.of('directory.down')).toHaveLength(1);
  });

  test.each<[string, () => Promise<{ port: number }>]>([
    ['TCP is accepted and TLS never answered', () => tcpServer(() => undefined)],
    [
      'something else than TLS is spoken',
      () => tcpServer((socket) => socket.end('220 smtp.corp.test ESMTP\r\n')),
    ],
    ['the connection is closed at once', () => tcpServer((socket) => socket.destroy())],
    ['the bind is never answered', () => faulty('bind', 'silence')],
    ['the connection is cut at the bind', () => faulty('bind', 'cut')],
    ['the controller is busy at the bind', () => faulty('bind', { result: 51 })],
  ])('when %s', async (_when, start) => {
    const directory = open([await start()]);
    const failed = await write(directory).catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: 'DirectoryError' });
    expect(['DIRECTORY_UNREACHABLE', 'DIRECTORY_BUSY', 'DIRECTORY_CONFIG']).toContain(
      (failed as { code: string }).code,
    );
    await expect(directory.check(NEVER)).resolves.toEqual([
      expect.objectContaining({ bound: false, problem: expect.any(String) as string }),
    ]);
  });

  test.each([['cut'], ['silence']] as const)(
    'a controller that answers no question (%s) is not one that can be used, although it takes the bind',
    async (answer) => {
      const directory = open([await faulty('search', answer)]);
      await expect(directory.check(NEVER)).resolves.toEqual([
        expect.objectContaining({ bound: false, problem: expect.any(String) as string }),
      ]);
    },
  );

  test('a controller that has left a connection is judged by a new one', async () => {
    let leaves = false;
    const server = await controller({
      instead: ({ op }) => {
        if (!leaves || op !== 'search') return undefined;
        leaves = false;
        return 'cut';
      },
    });
    const directory = open([server]);
    await directory.check(NEVER);
    leaves = true;
    const [found] = await directory.check(NEVER);
    expect(found).toMatchObject({ reachable: true, bound: true, policyHints: true });
    expect(leaves).toBe(false);
  });
});

describe('the certificate', () => {
  test('of an unknown CA is refused with the cure', async () => {
    const server = await controller();
    const directory = open([server], { ca: [(await createTestCa('Another')).ca] });
    await expect(write(directory)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('give the PEM file of the CA') as string,
    });
    expect(server.requests).toEqual([]);
  });

  test('of another host is refused with the cure', async () => {
    const other = await ca.issue(['dc9.corp.test']);
    const server = await startLdapServer({ certificate: other, answer: ldapDomain() });
    running.push(server);
    await expect(open([server]).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('by a name in its certificate') as string,
    });
    expect(server.requests).toEqual([]);
  });

  test('that has expired is refused with the cure', async () => {
    const expired = await ca.issue(['dc1.corp.test'], { notAfter: new Date(Date.now() - 60_000) });
    const server = await startLdapServer({ certificate: expired, answer: ldapDomain() });
    running.push(server);
    await expect(open([server]).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('renew it') as string,
    });
  });

  test('that expires soon is a problem in the status, with its date', async () => {
    const notAfter = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 5 * 86_400_000);
    const soon = await ca.issue(['dc1.corp.test'], { notAfter });
    const server = await startLdapServer({ certificate: soon, answer: ldapDomain() });
    running.push(server);
    await expect(open([server]).check(NEVER)).resolves.toEqual([
      {
        name: 'dc1.corp.test',
        reachable: true,
        bound: true,
        policyHints: true,
        latencyMs: expect.any(Number) as number,
        clockOffsetMs: expect.any(Number) as number,
        certificateExpiresAt: notAfter.toISOString(),
        problem: expect.stringContaining('renew it') as string,
      },
    ]);
  });
});

describe('the service account', () => {
  test('is shown to nobody again once its password was rejected', async () => {
    const servers = [await faulty('bind', BAD_BIND), await faulty('bind', BAD_BIND)];
    const directory = open(servers);
    const attempts = await Promise.allSettled([
      directory.read(ANNA, NEVER),
      directory.read(ANNA, NEVER),
      write(directory),
      write(directory),
    ]);
    const refused = { status: 'rejected', reason: { code: 'DIRECTORY_CONFIG' } };
    expect(attempts).toMatchObject(attempts.map(() => refused));
    const health = await directory.check(NEVER);
    expect(health.map(({ reachable, bound }) => [reachable, bound])).toEqual([
      [true, false],
      [true, false],
    ]);
    expect(health[0]?.problem).toContain('correct the user name or the password file');
    expect(servers.reduce((sum, server) => sum + count(server, 'bind'), 0)).toBe(1);
    expect(log.of('directory.credential_rejected')).toMatchObject([
      { level: 'error', fields: { user: 'agent@corp.test' } },
    ]);
    expect(log.text()).not.toContain('Agent-1-password');
  });

  test('is tried again when its password is another one, or when time has passed', async () => {
    let shiftMs = 0;
    const clock: Clock = { ...systemClock, monotonic: () => performance.now() + shiftMs };
    let password = 'wrong';
    const server = await controller({
      instead: (request) =>
        request.op === 'bind' && request.password !== 'right' ? BAD_BIND : undefined,
    });
    const bind = { user: 'agent@corp.test', password: async () => new Secret(password) };
    const directory = open([server], { bind, clock });
    const refused = { code: 'DIRECTORY_CONFIG' };
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject(refused);
    shiftMs += 14 * 60_000;
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject(refused);
    expect(count(server, 'bind')).toBe(1);
    shiftMs += 2 * 60_000;
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject(refused);
    expect(count(server, 'bind')).toBe(2);
    shiftMs += 16 * 60_000; // the second hold is twice as long
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject(refused);
    expect(count(server, 'bind')).toBe(2);
    password = 'right';
    await expect(directory.read(ANNA, NEVER)).resolves.toMatchObject(ANNA);
  });

  test('never binds without a password', async () => {
    const server = await controller();
    const bind = { user: 'agent@corp.test', password: async () => new Secret('') };
    await expect(open([server], { bind }).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('is empty') as string,
    });
    expect(count(server, 'bind')).toBe(0);
  });

  test('whose password cannot be read is a configuration error that says why', async () => {
    const server = await controller();
    const password = () => Promise.reject(new Error('EACCES: permission denied, open /etc/pw'));
    const bind = { user: 'agent@corp.test', password };
    await expect(open([server], { bind }).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('EACCES') as string,
    });
  });
});

describe('of several controllers', () => {
  test('the next one answers when the first is silent, and is asked first from then on', async () => {
    const silent = await tcpServer(() => undefined);
    const server = await controller();
    const directory = open([silent, server], { preferPdc: false });
    expect((await directory.read(ANNA, NEVER)).controller).toBe('dc2.corp.test');
    const started = performance.now();
    expect((await directory.read(ANNA, NEVER)).controller).toBe('dc2.corp.test');
    expect(performance.now() - started).toBeLessThan(TIMEOUTS.connectMs);
    expect(log.of('directory.down')).toHaveLength(1);
  });

  test('the PDC emulator answers, wherever it is in the list', async () => {
    const first = await controller({ pdc: 'DC2.corp.test' });
    const second = await controller({ pdc: 'DC2.corp.test' });
    const directory = open([first, second]);
    expect((await directory.read(ANNA, NEVER)).controller).toBe('dc2.corp.test');
    await second.stop();
    expect((await directory.read(ANNA, NEVER)).controller).toBe('dc1.corp.test');
  });

  test('a read-only one is passed over, and named when it is the only one', async () => {
    const rootDse = { supportedCapabilities: ['1.2.840.113556.1.4.1920'] };
    const readOnly = await controller({ rootDse });
    const server = await controller();
    const both = await open([readOnly, server], { preferPdc: false }).read(ANNA, NEVER);
    expect(both.controller).toBe('dc2.corp.test');
    await expect(open([readOnly]).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('read-only') as string,
    });
  });

  test('one that has not finished its first replication is passed over', async () => {
    const servers = [
      await controller({ rootDse: { isSynchronized: ['FALSE'] } }),
      await controller(),
    ];
    const reading = await open(servers, { preferPdc: false }).read(ANNA, NEVER);
    expect(reading.controller).toBe('dc2.corp.test');
  });

  test('a dead pooled connection is replaced without a detour', async () => {
    const server = await controller();
    const directory = open([server]);
    await directory.read(ANNA, NEVER);
    server.cutAll();
    await expect(directory.read(ANNA, NEVER)).resolves.toMatchObject(ANNA);
  });

  test('all are named when none answers', async () => {
    const servers = [await tcpServer(() => undefined), await tcpServer(() => undefined)];
    await expect(open(servers).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
      message: expect.stringMatching(/dc1\.corp\.test.*dc2\.corp\.test/) as string,
    });
  });
});

describe('a reading', () => {
  test.each([
    'objectSid',
    'userAccountControl',
    'sAMAccountType',
    'tokenGroups',
    'primaryGroupID',
    'pwdLastSet',
    'accountExpires',
    'msDS-User-Account-Control-Computed',
  ])('without %s is a configuration error that names it', async (attribute) => {
    const server = await controller({ account: { [attribute]: [] } });
    await expect(open([server]).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining(attribute) as string,
    });
  });

  test('on a controller that does not say who is asking is a configuration error, never somebody else', async () => {
    const server = await controller({ rootDse: { tokenGroups: [] } });
    await expect(open([server]).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('tokenGroups') as string,
    });
  });

  test('whose groups lack the primary one is not believed', async () => {
    const server = await controller({ account: { tokenGroups: [sid(999)] } });
    await expect(open([server]).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('tokenGroups') as string,
    });
  });

  test('names the life of the database that its numbers count in, until that may be another', async () => {
    let invocationId = Buffer.alloc(16, 6);
    const server = await controller({
      instead: ({ op, dn }) =>
        op === 'search' && dn.startsWith('CN=NTDS Settings')
          ? { entries: [{ dn, attributes: { invocationId: [invocationId] } }] }
          : undefined,
    });
    const directory = open([server]);
    await expect(directory.read(ANNA, NEVER)).resolves.toMatchObject({
      invocationId: '06060606-0606-0606-0606-060606060606',
      usnChanged: '4711',
    });
    invocationId = Buffer.alloc(16, 7);
    server.cutAll();
    await expect(directory.read(ANNA, NEVER)).resolves.toMatchObject({
      invocationId: '07070707-0707-0707-0707-070707070707',
    });
  });

  test('goes without that name when the service account may not see it', async () => {
    const server = await controller({ rootDse: { dsServiceName: ['CN=Hidden'] } });
    const reading = await open([server]).read(ANNA, NEVER);
    expect(reading).not.toHaveProperty('invocationId');
  });

  test('recognises the account that the agent itself uses', async () => {
    const server = await controller({ account: { objectSid: [sid(1110)] } });
    await expect(open([server]).read(ANNA, NEVER)).resolves.toMatchObject({ ownAccount: true });
  });

  test('of two accounts with one name is refused', async () => {
    const twice: LdapAnswer = {
      entries: ['CN=A', 'CN=B'].map((dn) => ({
        dn,
        attributes: { objectGUID: [Buffer.alloc(16)] },
      })),
    };
    const server = await controller({
      instead: ({ op, scope }) => (op === 'search' && scope === 2 ? twice : undefined),
    });
    await expect(open([server]).read({ name: 'anna' }, NEVER)).rejects.toMatchObject({
      code: 'ACCOUNT_AMBIGUOUS',
    });
  });

  test('does not follow a referral', async () => {
    const server = await controller({
      instead: ({ dn }) =>
        dn.startsWith('<GUID')
          ? { result: 10, diagnostic: '0000202B: RefErr: DSID-03100835, data 0, 1 access points' }
          : undefined,
    });
    await expect(open([server]).read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
    });
  });

  test('ends in time, whatever the controllers do', async () => {
    const servers = await Promise.all([1, 2].map(() => faulty('search', 'silence')));
    const directory = open(servers, { timeouts: { ...TIMEOUTS, totalMs: 250 } });
    const started = performance.now();
    await expect(directory.read(ANNA, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
    });
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
