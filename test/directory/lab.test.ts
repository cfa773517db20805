import { Resolver } from 'node:dns/promises';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Attribute, Change, InsufficientAccessError, type Client } from 'ldapts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Credentials } from '../lab/description.ts';
import { docker } from '../lab/docker.ts';
import { firstController } from '../lab/open-directory.ts';
import { startLab, type RunningLab } from '../lab/start-lab.ts';
import { useLab } from '../lab/use-lab.ts';

const lab = useLab();
const NEW_PASSWORD = 'A-new-1-for-the-lab';

beforeEach(() => lab.reset());

async function boundAs<T>(who: Credentials, use: (client: Client) => Promise<T>): Promise<T> {
  const client = lab.client();
  try {
    await client.bind(who.userPrincipalName, who.password);
    return await use(client);
  } finally {
    await client.unbind();
  }
}

function quoted(password: string): Buffer {
  return Buffer.from(`"${password}"`, 'utf16le');
}

function resetPassword(sam: string, who: Credentials = lab.serviceAccount): Promise<void> {
  const modification = new Attribute({ type: 'unicodePwd', values: [quoted(NEW_PASSWORD)] });
  return boundAs(who, (client) =>
    client.modify(lab.person(sam).dn, new Change({ operation: 'replace', modification })),
  );
}

function writeNumber(sam: string, type: string, value: string): Promise<void> {
  const modification = new Attribute({ type, values: [value] });
  return boundAs(lab.serviceAccount, (client) =>
    client.modify(lab.person(sam).dn, new Change({ operation: 'replace', modification })),
  );
}

function changePassword(sam: string, from: string, to: string): Promise<void> {
  const old = new Attribute({ type: 'unicodePwd', values: [quoted(from)] });
  const fresh = new Attribute({ type: 'unicodePwd', values: [quoted(to)] });
  const changes = [
    new Change({ operation: 'delete', modification: old }),
    new Change({ operation: 'add', modification: fresh }),
  ];
  return boundAs(lab.serviceAccount, (client) => client.modify(lab.person(sam).dn, changes));
}

describe('the certificate', () => {
  const handshake = (servername: string) =>
    new Promise<string>((resolve) => {
      const [controller] = lab.controllers;
      const socket = connect({ port: controller?.port, ca: lab.ca, servername }, () => {
        resolve('verified');
        socket.destroy();
      });
      socket.once('error', (error: Error) => {
        resolve('code' in error ? String(error.code) : error.message);
      });
    });

  test('is verified by the name of the controller with the CA of the lab', async () => {
    expect(await handshake('DC1.corp.test')).toBe('verified');
  });

  test('is worth nothing under another name', async () => {
    expect(await handshake('DC9.corp.test')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });
});

describe('the delegation', () => {
  test.each(['anna', 'clara'])('lets the service account reset %s', async (sam) => {
    await resetPassword(sam);
    expect(await lab.kinit(sam, NEW_PASSWORD)).toBe('ok');
  });

  test('ends at the OU', async () => {
    await expect(resetPassword('olaf')).rejects.toThrow(InsufficientAccessError);
    await expect(writeNumber('olaf', 'lockoutTime', '0')).rejects.toThrow(InsufficientAccessError);
    expect(await lab.kinit('olaf', lab.person('olaf').password)).toBe('ok');
  });

  test('covers unlocking and must-change, and no other attribute', async () => {
    await writeNumber('locked', 'lockoutTime', '0');
    expect(await lab.lockoutTime('locked')).toBe('0');
    await writeNumber('anna', 'pwdLastSet', '0');
    expect(await lab.kinit('anna', lab.person('anna').password)).toBe('must-change');
    await expect(writeNumber('anna', 'userAccountControl', '514')).rejects.toThrow(
      InsufficientAccessError,
    );
  });

  test('was given to one account only', async () => {
    await expect(resetPassword('anna', lab.bareAccount)).rejects.toThrow(InsufficientAccessError);
  });

  test('can be taken away right by right, and comes back', async () => {
    await lab.denyRights('reset-password');
    await expect(resetPassword('anna')).rejects.toThrow(InsufficientAccessError);
    await writeNumber('anna', 'lockoutTime', '0');
    await lab.denyRights();
    await expect(writeNumber('anna', 'lockoutTime', '0')).rejects.toThrow(InsufficientAccessError);
    await lab.restoreDelegation();
    await resetPassword('anna');
  });

  test('shows the values of a fine-grained policy only after they were opened', async () => {
    const minimumLength = async () => {
      const base = `CN=Password Settings Container,CN=System,${lab.baseDn}`;
      const found = await boundAs(lab.serviceAccount, (client) =>
        client.search(base, {
          filter: '(objectClass=msDS-PasswordSettings)',
          attributes: ['msDS-MinimumPasswordLength'],
        }),
      );
      return found.searchEntries.map((entry) => entry['msDS-MinimumPasswordLength']).flat();
    };
    expect(await minimumLength()).not.toContain('16');
    await lab.grantPolicyRead();
    expect(await minimumLength()).toContain('16');
    await lab.revokePolicyRead();
    expect(await minimumLength()).not.toContain('16');
  });
});

describe('Kerberos', () => {
  test.each([
    ['anna', 'ok'],
    ['jörg', 'ok'],
    ['hash', 'ok'],
    ['slash', 'ok'],
    ['emoji', 'ok'],
    ['quotes', 'ok'],
    ['forever', 'ok'],
    ['locked', 'revoked'],
    ['disabled', 'revoked'],
    ['expired', 'revoked'],
    ['stale', 'must-change'],
    ['mustchange', 'must-change'],
    ['smartcard', 'smartcard-required'],
  ] as const)('says to %s with the right password: %s', async (sam, answer) => {
    expect(await lab.kinit(sam, lab.person(sam).password)).toBe(answer);
  });

  test('tells a wrong password from a right one, and nobody from somebody', async () => {
    expect(await lab.kinit('anna', 'not-the-password')).toBe('wrong-password');
    expect(await lab.kinit('nobody', 'not-the-password')).toBe('unknown-account');
  });
});

describe('the policy', () => {
  test('refuses a change inside the minimum age, from the history, or with a wrong password', async () => {
    const { password } = lab.person('anna');
    await expect(changePassword('anna', 'not-the-password', NEW_PASSWORD)).rejects.toThrow('0056');
    await expect(changePassword('anna', password, password)).rejects.toThrow('already used');
    await changePassword('anna', password, NEW_PASSWORD);
    await expect(changePassword('anna', NEW_PASSWORD, password)).rejects.toThrow('too young');
  });

  test('does not let somebody change a password that is fixed, but lets it be reset', async () => {
    const { password } = lab.person('fixed');
    await expect(changePassword('fixed', password, NEW_PASSWORD)).rejects.toThrow();
    await resetPassword('fixed');
    expect(await lab.kinit('fixed', NEW_PASSWORD)).toBe('ok');
  });
});

test('wrong passwords really lock an account', async () => {
  await lab.lock('ben');
  expect(await lab.lockoutTime('ben')).not.toBe('0');
  expect(await lab.kinit('ben', lab.person('ben').password)).toBe('revoked');
});

test('each password written is counted once, and a refused one not at all', async () => {
  const before = await lab.passwordVersion('anna');
  await resetPassword('anna');
  await resetPassword('anna');
  await resetPassword('jörg');
  await expect(resetPassword('olaf')).rejects.toThrow();
  expect(await lab.passwordWrites()).toEqual(
    new Map([
      ['anna', 2],
      ['jörg', 1],
    ]),
  );
  expect(await lab.passwordVersion('anna')).toBe(before + 2);
});

test('a reset of the lab puts everything back', async () => {
  await resetPassword('anna');
  await resetPassword('mustchange');
  await writeNumber('locked', 'lockoutTime', '0');
  await lab.lock('ben');
  const written = await lab.pwdLastSet('anna');

  await lab.reset();

  expect(await lab.kinit('anna', lab.person('anna').password)).toBe('ok');
  expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('wrong-password');
  expect(BigInt(await lab.pwdLastSet('anna'))).toBeLessThan(BigInt(written));
  expect(await lab.pwdLastSet('mustchange')).toBe('0');
  expect(await lab.lockoutTime('locked')).not.toBe('0');
  expect(await lab.lockoutTime('ben')).toBe('0');
  expect(await lab.passwordWrites()).toEqual(new Map());
});

test('a password from before the reset is as if it had never been', async () => {
  await resetPassword('anna');
  await lab.reset();
  await changePassword('anna', lab.person('anna').password, NEW_PASSWORD);
  expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('ok');
});

test('a controller that was stopped comes back at its address and knows what it knew', async () => {
  await resetPassword('anna');
  await lab.stopController(0);
  await expect(resetPassword('anna')).rejects.toThrow();
  expect((await lab.passwordWrites()).get('anna')).toBe(1);
  await lab.startController(0);
  expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('ok');
});

/** Takes out of a stopped controller's audit log what a kill at another moment would have kept from it, or adds to it. */
async function rewriteAudit(edit: (log: string) => string): Promise<void> {
  const log = `${firstController(lab).containerId}:/lab/audit.jsonl`;
  const folder = await mkdtemp(join(tmpdir(), 'passback-audit-'));
  try {
    const copy = join(folder, 'audit.jsonl');
    await docker(['cp', log, copy]);
    await writeFile(copy, edit(await readFile(copy, 'utf8')));
    await docker(['cp', copy, log]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('of a write that a kill cut off from the log, the database tells after the start whether it was made', async () => {
  await resetPassword('ben');
  await resetPassword('anna');
  await lab.stopController(0);
  // Anna's was durable and its commit not yet logged; a second one of Ben's had only begun.
  await rewriteAudit((log) => {
    const lines = log.split('\n').filter((line) => line !== '');
    const change = lines.find((line) => line.includes('CN=Ben')) ?? '';
    return [...lines.slice(0, -1), change.replace(/(?<="transactionId": ")./, 'x')].join('\n');
  });
  await expect(lab.passwordWrites()).rejects.toThrow(/no end of the write of cn=anna.*\n.*cn=ben/);
  await lab.startController(0);
  expect(await lab.passwordWrites()).toEqual(
    new Map([
      ['ben', 1],
      ['anna', 1],
    ]),
  );
  const byName = (await lab.passwordHistory()).map(({ sam, provenBy }) => [sam, provenBy]);
  expect(byName).toEqual([
    ['ben', 'log'],
    ['anna', 'database'],
  ]);
});

test('an audit log that is damaged is not taken for the truth', async () => {
  await lab.stopController(0);
  await rewriteAudit((log) => `${log}{"timestamp": "2026-11-27T08:26`);
  await expect(lab.passwordWrites()).rejects.toThrow('unreadable: {"timestamp": "2026-11-27T08:26');
  expect((await lab.passwordAudit()).unreadable).toHaveLength(1);
  await rewriteAudit((log) => log.slice(0, log.lastIndexOf('{')));
});

test('everybody is known by an objectGUID', async () => {
  const guids = lab.people.map((person) => person.objectGuid);
  expect(new Set(guids).size).toBe(lab.people.length);
  for (const guid of guids) expect(guid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

describe('with a second controller', () => {
  let two: RunningLab;

  beforeAll(async () => {
    two = await startLab({ controllers: 2 });
  });
  afterAll(() => two.stop());

  test('what one writes the other knows, and the write is counted once', async () => {
    const { dn, sam } = two.person('anna');
    const client = two.client(1);
    await client.bind(two.serviceAccount.dn, two.serviceAccount.password);
    const modification = new Attribute({ type: 'unicodePwd', values: [quoted(NEW_PASSWORD)] });
    await client.modify(dn, new Change({ operation: 'replace', modification }));
    await client.unbind();
    expect(await two.kinit(sam, NEW_PASSWORD, 1)).toBe('ok');

    await two.replicate();

    expect(await two.kinit(sam, NEW_PASSWORD, 0)).toBe('ok');
    expect(await two.passwordWrites()).toEqual(new Map([[sam, 1]]));
  });

  test('the DNS of either one names both', async () => {
    const resolver = new Resolver();
    for (const { internalAddress } of two.controllers) {
      resolver.setServers([internalAddress]);
      const found = await resolver.resolveSrv('_ldap._tcp.dc._msdcs.corp.test');
      expect(found.map(({ name }) => name.toLowerCase()).sort()).toEqual([
        'dc1.corp.test',
        'dc2.corp.test',
      ]);
    }
  });

  test('a reset puts both back, also the one that was stopped', async () => {
    await two.stopController(0);
    await two.reset();
    for (const controller of [0, 1]) {
      expect(await two.kinit('anna', two.person('anna').password, controller)).toBe('ok');
    }
    await two.replicate();
    expect(await two.kinit('anna', two.person('anna').password, 1)).toBe('ok');
    expect(await two.lockoutTime('locked', 1)).not.toBe('0');
  });
});
