import { Attribute, Change } from 'ldapts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ActiveDirectoryOptions } from '../../src/agent/directory/active-directory.ts';
import type { AccountChange, Directory } from '../../src/agent/directory/directory.ts';
import { Secret } from '../../src/support/secret.ts';
import { bindAs, firstController, openLabDirectory } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { createTestCa } from '../support/test-ca.ts';

const NEVER = new AbortController().signal;
const NEW_PASSWORD = 'Planted-1-new-password';

const lab = useLab();
const opened: Directory[] = [];
let log = new MemoryLog();

beforeEach(() => lab.reset());

afterEach(async () => {
  for (const directory of opened.splice(0)) await directory[Symbol.asyncDispose]();
  expect(log.text()).not.toContain(NEW_PASSWORD);
  expect(log.text()).not.toContain(lab.serviceAccount.password);
});

function open(options: Partial<ActiveDirectoryOptions> = {}): Directory {
  log = new MemoryLog();
  const directory = openLabDirectory(lab, { log, ...options });
  opened.push(directory);
  return directory;
}

function read(directory: Directory, sam: string) {
  return directory.read({ objectGuid: lab.person(sam).objectGuid }, NEVER);
}

function write(directory: Directory, sam: string, change: AccountChange) {
  const { objectGuid } = lab.person(sam);
  return directory.apply({ objectGuid, controller: firstController(lab).name }, change, NEVER);
}

function reset(
  options: { readonly password?: string; readonly mustChange?: boolean } = {},
): AccountChange {
  const password = new Secret(options.password ?? NEW_PASSWORD);
  return {
    op: 'reset',
    password,
    unlock: true,
    mustChange: options.mustChange ?? false,
    policyHints: 'off',
  };
}

function change(sam: string, password: string, oldPassword = lab.person(sam).password) {
  return {
    op: 'change',
    password: new Secret(password),
    oldPassword: new Secret(oldPassword),
  } as const;
}

/** Runs `work` while the account has no userPrincipalName. */
async function withoutPrincipalName(sam: string, work: () => Promise<void>): Promise<void> {
  const client = lab.client();
  const { dn, upn } = lab.person(sam);
  const modify = (operation: 'delete' | 'add', values: string[]): Promise<void> => {
    const modification = new Attribute({ type: 'userPrincipalName', values });
    return client.modify(dn, new Change({ operation, modification }));
  };
  await client.bind(lab.administrator.userPrincipalName, lab.administrator.password);
  try {
    await modify('delete', []);
    await work();
  } finally {
    await modify('add', [upn]);
    await client.unbind();
  }
}

describe('what the guard asks for', () => {
  test.each([
    ['anna', {}],
    ['locked', { locked: true }],
    ['disabled', { disabled: true }],
    ['expired', { expired: true }],
    ['mustchange', { mustChange: true, pwdLastSet: '0' }],
    ['stale', { mustChange: false }],
    ['forever', { passwordNeverExpires: true }],
    ['smartcard', { smartcardRequired: true }],
    ['formeradmin', { adminCount: true }],
    ['svc-web', { hasServicePrincipalName: true }],
  ])('of %s is read as it is', async (sam, facts) => {
    const { objectGuid, dn } = lab.person(sam);
    expect(await read(open(), sam)).toMatchObject({
      objectGuid,
      distinguishedName: dn,
      controller: firstController(lab).name,
      locked: false,
      disabled: false,
      expired: false,
      smartcardRequired: false,
      adminCount: false,
      hasServicePrincipalName: false,
      ownAccount: false,
      samAccountType: 805_306_368,
      ...facts,
    });
  });

  test('sees a privileged group behind a nested one', async () => {
    const boss = await read(open(), 'boss');
    const domainSid = boss.sid.slice(0, boss.sid.lastIndexOf('-'));
    expect(boss.groupSids).toEqual(
      expect.arrayContaining([`${domainSid}-512`, `${domainSid}-513`, 'S-1-5-32-544']),
    );
    expect((await read(open(), 'anna')).groupSids).not.toContain(`${domainSid}-512`);
  });

  test('knows the account of the agent itself', async () => {
    const name = lab.serviceAccount.userPrincipalName;
    expect(await open().read({ name }, NEVER)).toMatchObject({ ownAccount: true });
  });

  test.each(['jörg', 'hash', 'obrien', 'slash', 'long.name.of.twenty1', 'emoji'])(
    'finds %s by both names',
    async (sam) => {
      const { objectGuid, upn } = lab.person(sam);
      const directory = open();
      expect((await directory.read({ name: upn }, NEVER)).objectGuid).toBe(objectGuid);
      expect((await directory.read({ name: `corp\\${sam}` }, NEVER)).objectGuid).toBe(objectGuid);
    },
  );

  test('finds an account by the principal name that it has implicitly', async () => {
    const directory = open();
    const find = (name: string) => directory.read({ name }, NEVER);
    expect(await find('hash@corp.test')).toMatchObject({ samAccountName: 'hash' });
    await withoutPrincipalName('ben', async () => {
      expect(await find('BEN@corp.test')).toMatchObject({ samAccountName: 'ben' });
    });
  });

  test('has the clock of the controller and how often the password was set', async () => {
    const directory = open();
    const before = await read(directory, 'anna');
    await write(directory, 'anna', reset());
    const after = await read(directory, 'anna');
    expect(Math.abs(after.controllerTimeMs - after.readAtMs)).toBeLessThan(3_000);
    expect(after.unicodePwd?.version).toBe((before.unicodePwd?.version ?? 0) + 1);
    expect(after.unicodePwd?.version).toBe(await lab.passwordVersion('anna'));
    // The only controller is where it was written, and says so.
    expect(after.invocationId).toBe(after.unicodePwd?.invocationId);
    expect(BigInt(after.usnChanged ?? 0)).toBeGreaterThan(BigInt(before.usnChanged ?? 0));
    expect(Date.parse(after.unicodePwd?.changedAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
  });
});

describe('the policy that applies', () => {
  test('is unreadable under a fine-grained one, until the account may read it', async () => {
    expect((await read(open(), 'strict')).policy).toEqual({ source: 'unreadable' });
    await lab.grantPolicyRead();
    expect((await read(open(), 'strict')).policy).toEqual({
      source: 'fine-grained',
      minimumLength: 16,
      complexity: true,
      historyLength: 5,
      minimumAgeSeconds: 86_400,
      lockoutThreshold: 5,
    });
  });

  test('is what the directory enforces, whoever may read it', async () => {
    await expect(
      write(open(), 'strict', reset({ password: 'Has-1-15-chars!' })),
    ).rejects.toMatchObject({
      code: 'PASSWORD_POLICY',
      rules: [{ rule: 'length', confidence: 'certain', minimumLength: 16 }],
    });
  });

  test('refuses a change to a password that was used before', async () => {
    const { password } = lab.person('anna');
    await expect(write(open(), 'anna', change('anna', password))).rejects.toMatchObject({
      code: 'PASSWORD_POLICY',
      rules: [{ rule: 'history', confidence: 'certain' }],
    });
  });
});

describe('a write', () => {
  test.each(['reset', 'change'])('that is a %s lets the person in', async (op) => {
    const directory = open();
    await write(directory, 'ben', op === 'reset' ? reset() : change('ben', NEW_PASSWORD));
    expect(await lab.kinit('ben', NEW_PASSWORD)).toBe('ok');
    expect(await lab.kinit('ben', lab.person('ben').password)).toBe('wrong-password');
    expect(await lab.passwordWrites()).toEqual(new Map([['ben', 1]]));
  });

  test('that unlocks lets the person in again', async () => {
    await lab.lock('clara');
    expect(await lab.kinit('clara', lab.person('clara').password)).toBe('revoked');
    await write(open(), 'clara', { op: 'unlock' });
    expect(await lab.kinit('clara', lab.person('clara').password)).toBe('ok');
  });

  test('with must-change makes Kerberos ask for another one', async () => {
    await write(open(), 'anna', reset({ mustChange: true }));
    expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('must-change');
  });

  test('without the policy-hints control is refused where the history is required', async () => {
    const required = { ...reset(), policyHints: 'require' } as AccountChange;
    await expect(write(open(), 'anna', required)).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('policy-hints') as string,
    });
    expect(await lab.passwordWrites()).toEqual(new Map());
    const preferred = { ...reset(), policyHints: 'prefer' } as AccountChange;
    expect(await write(open(), 'anna', preferred)).toMatchObject({ historyEnforced: false });
  });

  test('outside the delegation is denied', async () => {
    const directory = open();
    await expect(write(directory, 'olaf', reset())).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      retryable: false,
      controller: firstController(lab).name,
    });
    await expect(write(directory, 'olaf', { op: 'unlock' })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
    expect(await lab.passwordWrites()).toEqual(new Map());
    expect(log.of('directory.refused')).toHaveLength(2);
  });

  test.each(['reset-password', 'lockout-time', 'pwd-last-set'] as const)(
    'without the right %s changes nothing at all',
    async (right) => {
      await lab.denyRights(right);
      await expect(write(open(), 'anna', reset({ mustChange: true }))).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
      });
      expect(await lab.passwordWrites()).toEqual(new Map());
      expect(await lab.kinit('anna', lab.person('anna').password)).toBe('ok');
    },
  );

  test('that changes the password of an account that may not is told from missing rights', async () => {
    await expect(write(open(), 'fixed', change('fixed', NEW_PASSWORD))).rejects.toMatchObject({
      code: 'CANNOT_CHANGE_PASSWORD',
    });
  });

  test('to an account that is gone finds nobody', async () => {
    const objectGuid = '00000000-0000-4000-8000-ffffffffffff';
    const target = { objectGuid, controller: firstController(lab).name };
    await expect(open().apply(target, reset(), NEVER)).rejects.toMatchObject({
      code: 'ACCOUNT_NOT_FOUND',
    });
  });

  test('is made once each when many come at the same time', async () => {
    const directory = open();
    const sams = ['anna', 'ben', 'clara', 'jörg', 'hash', 'obrien', 'slash', 'emoji', 'quotes'];
    await Promise.all(sams.map((sam) => write(directory, sam, reset())));
    expect(await lab.passwordWrites()).toEqual(new Map(sams.map((sam) => [sam, 1])));
  });
});

describe('a controller', () => {
  test('that rejects the service account is a configuration error, and the account stays unlocked', async () => {
    const { userPrincipalName } = lab.serviceAccount;
    const wrong = open({ bind: bindAs({ userPrincipalName, password: 'Wrong-1-password' }) });
    for (let i = 0; i < 8; i++) {
      await expect(read(wrong, 'anna')).rejects.toMatchObject({
        code: 'DIRECTORY_CONFIG',
        message: expect.stringContaining('wrong user name or password') as string,
      });
    }
    expect(log.of('directory.credential_rejected')).toHaveLength(1);
    await expect(read(open(), 'anna')).resolves.toMatchObject({ locked: false });
  });

  test('that is stopped is unreachable, and is used again when it is back', async () => {
    const directory = open();
    await read(directory, 'anna');
    await lab.stopController(0);
    await expect(write(directory, 'anna', reset())).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
      retryable: true,
    });
    await expect(read(directory, 'anna')).rejects.toMatchObject({ code: 'DIRECTORY_UNREACHABLE' });
    expect(await directory.check(NEVER)).toMatchObject([{ reachable: false, bound: false }]);
    await lab.startController(0);
    await eventually(() => write(directory, 'anna', reset()), 20_000);
    expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('ok');
    expect(log.of('directory.down')).toHaveLength(1);
    expect(log.of('directory.up')).toHaveLength(2);
  });

  test('that freezes in a write leaves it unknown, and never sends it again', async () => {
    const directory = open({ timeouts: { writeMs: 1_000, readMs: 1_000 } });
    await write(directory, 'ben', reset());
    await lab.pauseController(0);
    await expect(write(directory, 'anna', reset())).rejects.toMatchObject({
      code: 'INDETERMINATE',
    });
    await lab.unpauseController(0);
    await eventually(() => read(directory, 'anna'), 10_000);
    expect((await lab.passwordWrites()).get('anna') ?? 0).toBeLessThanOrEqual(1);
  });

  test('with a certificate of another CA is not spoken to', async () => {
    const { ca } = await createTestCa();
    await expect(read(open({ ca: [ca] }), 'anna')).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('give the PEM file of the CA') as string,
    });
  });

  test('with another name is not spoken to', async () => {
    const misnamed = { ...firstController(lab), name: 'dc7.corp.test' };
    await expect(read(open({ domainControllers: [misnamed] }), 'anna')).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('by a name in its certificate') as string,
    });
  });

  test('says how it is', async () => {
    const [health] = await open().check(NEVER);
    expect(health).toEqual({
      name: firstController(lab).name,
      reachable: true,
      bound: true,
      policyHints: false,
      latencyMs: expect.any(Number) as number,
      clockOffsetMs: expect.any(Number) as number,
      certificateExpiresAt: expect.stringMatching(/^20\d\d-.*Z$/) as string,
    });
  });
});
