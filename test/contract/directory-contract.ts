import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  DirectoryError,
  type AccountChange,
  type AccountReading,
  type Directory,
} from '../../src/agent/directory/directory.ts';
import { Secret } from '../../src/support/secret.ts';

export interface ContractAccount {
  readonly objectGuid: string;
  readonly sam: string;
  readonly upn: string;
  readonly password: string;
}

/** What the suite needs to know of a directory besides the port itself. */
export interface DirectoryHarness {
  /** NetBIOS name of the domain. */
  readonly domain: string;
  /** One account that works and one that is locked, as `prepare` leaves them. */
  readonly ordinary: () => ContractAccount;
  readonly locked: () => ContractAccount;
  /** The unit that the accounts are in, where the rights were delegated. */
  readonly baseDn: string;
  /** Whether the directory says which rule a refused password broke; Windows does not. */
  readonly namesRules: boolean;
  /** Whether it knows the policy-hints control; Samba does not. */
  readonly policyHints: boolean;
  /** Puts every account back. */
  prepare(): Promise<void>;
  open(): Promise<Directory>;
  /** Whether the directory lets the account in with this password. */
  accepts(account: ContractAccount, password: string): Promise<boolean>;
  /** How many passwords were written since `prepare`. */
  passwordWrites(account: ContractAccount): Promise<number>;
}

const NEW_PASSWORD = 'Contract-new-1-password';
const NEVER = new AbortController().signal;

/** What every adapter of the port promises; run on the fake and on scripted domains always, on a real one in the lab. */
export function directoryContract(name: string, harness: DirectoryHarness): void {
  describe(name, () => {
    let directory: Directory;

    beforeEach(async () => {
      await harness.prepare();
      directory = await harness.open();
    });

    afterEach(async () => {
      await directory[Symbol.asyncDispose]();
    });

    const read = ({ objectGuid }: ContractAccount): Promise<AccountReading> =>
      directory.read({ objectGuid }, NEVER);

    async function apply(account: ContractAccount, change: AccountChange, signal = NEVER) {
      const { objectGuid, controller } = await read(account);
      return directory.apply({ objectGuid, controller }, change, signal);
    }

    function reset(password = NEW_PASSWORD): Extract<AccountChange, { op: 'reset' }> {
      return {
        op: 'reset',
        password: new Secret(password),
        unlock: true,
        mustChange: false,
        policyHints: 'off',
      };
    }

    function change(oldPassword: string, password = NEW_PASSWORD): AccountChange {
      return {
        op: 'change',
        password: new Secret(password),
        oldPassword: new Secret(oldPassword),
      };
    }

    test('an account is found by its id and by every form of its name', async () => {
      const { objectGuid, sam, upn } = harness.ordinary();
      const names = [sam, sam.toUpperCase(), upn, `${harness.domain}\\${sam}`];
      const readings = await Promise.all(
        names.map((candidate) => directory.read({ name: candidate }, NEVER)),
      );
      expect(readings.map((reading) => reading.objectGuid)).toEqual(names.map(() => objectGuid));
      expect(await read(harness.ordinary())).toMatchObject({
        objectGuid,
        samAccountType: 805_306_368,
        locked: false,
        disabled: false,
        expired: false,
        mustChange: false,
        lockoutTime: '0',
        adminCount: false,
        ownAccount: false,
      });
    });

    test('a reading tells the rules for a new password', async () => {
      expect((await read(harness.ordinary())).policy).toEqual({
        source: 'domain',
        minimumLength: 10,
        complexity: true,
        historyLength: 5,
        minimumAgeSeconds: 86_400,
        lockoutThreshold: 5,
      });
    });

    test.each([
      ['an unknown id', { objectGuid: '00000000-0000-4000-8000-ffffffffffff' }],
      ['an unknown name', { name: 'nobody-has-this-name' }],
      ['an unknown principal', { name: 'nobody@nowhere.test' }],
      ['another domain', { name: 'NOWHERE\\anna' }],
      ['a wildcard', { name: '*' }],
      ['filter syntax', { name: 'anna)(objectClass=*' }],
      ['an empty name behind a domain', { name: 'CORP\\' }],
    ])('%s finds nobody', async (_what, address) => {
      await expect(directory.read(address, NEVER)).rejects.toMatchObject({
        name: 'DirectoryError',
        code: 'ACCOUNT_NOT_FOUND',
      });
    });

    test('a reset sets the password, once, and tells when', async () => {
      const account = harness.ordinary();
      const before = await read(account);
      const applied = await apply(account, reset());
      expect(await harness.accepts(account, NEW_PASSWORD)).toBe(true);
      expect(await harness.accepts(account, account.password)).toBe(false);
      expect(await harness.passwordWrites(account)).toBe(1);
      const after = await read(account);
      expect(after.pwdLastSet).not.toBe(before.pwdLastSet);
      expect(applied).toEqual({ pwdLastSet: after.pwdLastSet, historyEnforced: false });
    });

    test('a reset with must-change leaves an account that must change', async () => {
      const account = harness.ordinary();
      expect(await apply(account, { ...reset(), mustChange: true })).toMatchObject({
        pwdLastSet: '0',
      });
      expect(await read(account)).toMatchObject({ mustChange: true, pwdLastSet: '0' });
    });

    test('a reset unlocks when it is told to, and only then', async () => {
      const account = harness.locked();
      expect(await read(account)).toMatchObject({ locked: true });
      await apply(account, { ...reset(), unlock: false });
      expect(await read(account)).toMatchObject({ locked: true });
      await apply(account, reset());
      expect(await read(account)).toMatchObject({ locked: false, lockoutTime: '0' });
    });

    test('an unlock leaves the password as it is', async () => {
      const account = harness.locked();
      await apply(account, { op: 'unlock' });
      expect(await read(account)).toMatchObject({ locked: false, lockoutTime: '0' });
      expect(await harness.accepts(account, account.password)).toBe(true);
      expect(await harness.passwordWrites(account)).toBe(0);
    });

    test('a change with the old password sets the new one', async () => {
      const account = harness.ordinary();
      await apply(account, change(account.password));
      expect(await harness.accepts(account, NEW_PASSWORD)).toBe(true);
      expect(await harness.passwordWrites(account)).toBe(1);
    });

    test('a change with a wrong old password changes nothing', async () => {
      const account = harness.ordinary();
      await expect(apply(account, change('Not-the-0ld-one'))).rejects.toMatchObject({
        code: 'WRONG_PASSWORD',
      });
      expect(await harness.accepts(account, account.password)).toBe(true);
      expect(await harness.passwordWrites(account)).toBe(0);
    });

    test('a change of a locked account is told from a wrong password', async () => {
      const account = harness.locked();
      await expect(apply(account, change(account.password))).rejects.toMatchObject({
        code: 'ACCOUNT_LOCKED',
      });
    });

    test.each([
      ['Sh0rt-one', { rule: 'length', confidence: 'certain', minimumLength: 10 }],
      ['all-in-lower-case', { rule: 'complexity', confidence: 'certain' }],
    ])('a reset to %s names the broken rule and changes nothing', async (password, rule) => {
      const account = harness.locked();
      await expect(apply(account, reset(password))).rejects.toMatchObject({
        code: 'PASSWORD_POLICY',
        rules: harness.namesRules ? [rule] : [],
      });
      expect(await read(account)).toMatchObject({ locked: true });
      expect(await harness.passwordWrites(account)).toBe(0);
    });

    test('a change too soon after the last one names the minimum age', async () => {
      const account = harness.ordinary();
      await apply(account, reset());
      await expect(
        apply(account, change(NEW_PASSWORD, 'Another-1-password')),
      ).rejects.toMatchObject({
        code: 'PASSWORD_POLICY',
        rules: harness.namesRules ? [{ rule: 'minimum-age', confidence: 'certain' }] : [],
      });
    });

    test('a change to a password that was used before is refused', async () => {
      const account = harness.ordinary();
      await expect(
        apply(account, change(account.password, account.password)),
      ).rejects.toMatchObject({
        code: 'PASSWORD_POLICY',
        rules: harness.namesRules ? [{ rule: 'history', confidence: 'certain' }] : [],
      });
      expect(await harness.passwordWrites(account)).toBe(0);
    });

    test('a change is held to the history, and says so', async () => {
      const account = harness.ordinary();
      await expect(apply(account, change(account.password, NEW_PASSWORD))).resolves.toMatchObject({
        historyEnforced: true,
      });
      expect(await read(account)).toMatchObject({ policyHints: harness.policyHints });
    });

    test('a reset passes over the history, unless it is to be enforced', async () => {
      const account = harness.ordinary();
      const again = reset(account.password);
      await expect(apply(account, again)).resolves.toMatchObject({ historyEnforced: false });
      const preferred = apply(account, { ...again, policyHints: 'prefer' });
      if (harness.policyHints) {
        await expect(preferred).rejects.toMatchObject({ code: 'PASSWORD_POLICY' });
      } else {
        await expect(preferred).resolves.toMatchObject({ historyEnforced: false });
      }
      expect(await harness.passwordWrites(account)).toBe(harness.policyHints ? 1 : 2);
    });

    test('a reset that has to hold to the history does, or is not made', async () => {
      const account = harness.ordinary();
      const required = apply(account, { ...reset(), policyHints: 'require' });
      if (harness.policyHints) {
        await expect(required).resolves.toMatchObject({ historyEnforced: true });
      } else {
        await expect(required).rejects.toMatchObject({ code: 'DIRECTORY_CONFIG' });
      }
      expect(await harness.passwordWrites(account)).toBe(harness.policyHints ? 1 : 0);
    });

    test.each([
      ['NUL', 'Nul-\0-inside-1'],
      ['half a surrogate pair', 'Half-\ud83e-inside-1'],
      ['257 characters', `Aa1-${'x'.repeat(253)}`],
    ])('a password with %s never reaches the directory', async (_what, password) => {
      const account = harness.ordinary();
      await expect(apply(account, reset(password))).rejects.toMatchObject({
        code: 'PASSWORD_NOT_ENCODABLE',
      });
      expect(await harness.passwordWrites(account)).toBe(0);
    });

    test.each(['Grün🔑🦊 ist 1 Fuchs', ' "quoted" \\ and 1 Space ', `Aa1-${'é'.repeat(252)}`])(
      'the password %j arrives as it is',
      async (password) => {
        const account = harness.ordinary();
        await apply(account, reset(password));
        expect(await harness.accepts(account, password)).toBe(true);
      },
    );

    test('what is stopped before it was sent was not applied', async () => {
      const account = harness.ordinary();
      await expect(apply(account, reset(), AbortSignal.abort())).rejects.toMatchObject({
        code: 'DIRECTORY_UNREACHABLE',
      });
      expect(await harness.passwordWrites(account)).toBe(0);
    });

    test('a controller that is not configured is never written to', async () => {
      const { objectGuid } = harness.ordinary();
      const target = { objectGuid, controller: 'dc9.elsewhere.test' };
      await expect(directory.apply(target, reset(), NEVER)).rejects.toMatchObject({
        code: 'DIRECTORY_UNREACHABLE',
      });
    });

    test('the health of every controller is known', async () => {
      const [health] = await directory.check(NEVER);
      expect(health).toMatchObject({
        reachable: true,
        bound: true,
        policyHints: harness.policyHints,
      });
      expect(Math.abs(health?.clockOffsetMs ?? Infinity)).toBeLessThan(5_000);
    });

    test('what was delegated is found without changing anything', async () => {
      const account = harness.ordinary();
      const before = await read(account);
      const { rights, passwordExpiresAt } = await directory.selfTest([harness.baseDn], NEVER);
      const { baseDn } = harness;
      expect(rights).toEqual([
        { baseDn, right: 'resetPassword', standing: 'granted' },
        { baseDn, right: 'writeLockoutTime', standing: 'granted' },
        { baseDn, right: 'writePwdLastSet', standing: 'granted' },
        { right: 'unexpirePassword', standing: 'granted' },
      ]);
      expect(passwordExpiresAt).toBe('never');
      expect((await read(account)).usnChanged).toBe(before.usnChanged);
    });

    test('a self-test that nobody answers is no finding', async () => {
      await directory[Symbol.asyncDispose]();
      await expect(directory.selfTest([harness.baseDn], NEVER)).rejects.toMatchObject({
        name: 'DirectoryError',
        code: 'DIRECTORY_UNREACHABLE',
      });
    });

    test('a directory that was closed refuses and stays silent', async () => {
      await directory[Symbol.asyncDispose]();
      await expect(read(harness.ordinary())).rejects.toBeInstanceOf(DirectoryError);
      await expect(read(harness.ordinary())).rejects.toMatchObject({
        code: 'DIRECTORY_UNREACHABLE',
      });
    });
  });
}
