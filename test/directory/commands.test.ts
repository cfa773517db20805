import { randomUUID } from 'node:crypto';
import { UnsecuredJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { GuardSettings } from '../../src/agent/commands/guard/guard-settings.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import type { Credentials } from '../lab/description.ts';
import { bindAs, firstController, openLabDirectory } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';
import { CommandRig, makeKeyPair, OPEN_GUARD, type Order } from '../support/command-rig.ts';
import { eventually } from '../support/eventually.ts';
import { sealUnchecked } from '../support/seal-unchecked.ts';

const NEW_PASSWORD = 'Planted-1-new-password';

const lab = useLab();
let directory: Directory;
let rig: CommandRig;

beforeEach(async () => {
  await lab.reset();
  directory = openAs(lab.serviceAccount);
  rig = await CommandRig.open({ directory });
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
  expect(rig.log.text()).not.toContain(NEW_PASSWORD);
});

/** The agent's own adapter, bound as one of the lab's accounts. */
function openAs(account: Credentials, port?: number): Directory {
  const controller = { ...firstController(lab), ...(port !== undefined && { port }) };
  return openLabDirectory(lab, { domainControllers: [controller], bind: bindAs(account) });
}

function guidOf(sam: string): string {
  return lab.person(sam).objectGuid;
}

function order(sam: string, rest: Partial<Order> = {}): ReturnType<CommandRig['order']> {
  return rig.order({ objectGuid: guidOf(sam), password: NEW_PASSWORD, ...rest });
}

/** The SID of the group that sets an account apart from anna. */
async function groupOf(sam: string): Promise<string> {
  const bound = AbortSignal.timeout(10_000);
  const everybodys = (await directory.read({ objectGuid: guidOf('anna') }, bound)).groupSids;
  const { groupSids } = await directory.read({ objectGuid: guidOf(sam) }, bound);
  const [group] = groupSids.filter((sid) => !everybodys.includes(sid));
  if (group === undefined) throw new Error(`${sam} is in no group of its own`);
  return group;
}

async function writes(): Promise<number> {
  return [...(await lab.passwordWrites()).values()].reduce((sum, n) => sum + n, 0);
}

test('a reset is applied: Kerberos takes the new password, and the controller wrote it once', async () => {
  const { outcome } = await order('anna');
  expect(outcome).toMatchObject({ code: 'APPLIED', effect: { passwordSet: true } });
  expect(outcome.effect?.pwdLastSet).toBe(await lab.pwdLastSet('anna'));
  expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('ok');
  expect((await lab.passwordWrites()).get('anna')).toBe(1);
});

test('a locked account logs on after an unlock, and after a reset that unlocks', async () => {
  await lab.lock('anna');
  const unlocked = await order('anna', { op: 'unlock' });
  expect(unlocked.outcome).toMatchObject({ code: 'APPLIED', effect: { unlocked: true } });
  expect(await lab.kinit('anna', lab.person('anna').password)).toBe('ok');
  await lab.lock('ben');
  const { outcome } = await order('ben');
  expect(outcome).toMatchObject({ code: 'APPLIED', effect: { unlocked: true } });
  expect(await lab.kinit('ben', NEW_PASSWORD)).toBe('ok');
});

test('a change is applied with the right old password', async () => {
  const oldPassword = lab.person('anna').password;
  expect((await order('anna', { op: 'change', oldPassword })).outcome.code).toBe('APPLIED');
  expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('ok');
});

test('a reset that asks for it must be changed at the next logon', async () => {
  const { outcome } = await order('anna', { claims: { mustChange: true } });
  expect(outcome.effect).toMatchObject({ mustChange: 'set', pwdLastSet: '0' });
  expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('must-change');
});

test('must-change is left out, and said so, where the password never expires', async () => {
  const { outcome } = await order('forever', { claims: { mustChange: true } });
  expect(outcome).toMatchObject({
    code: 'APPLIED',
    effect: { mustChange: 'skipped-never-expires', mustChangeForcedByDirectory: false },
  });
  expect(await lab.pwdLastSet('forever')).toBe(outcome.effect?.pwdLastSet);
  expect(await lab.kinit('forever', NEW_PASSWORD)).toBe('ok');
});

test.each(['jörg', 'hash', 'obrien', 'slash', 'long.name.of.twenty1', 'emoji', 'quotes', 'strict'])(
  '%s, whose name or policy is awkward, is reset like anybody else',
  async (sam) => {
    expect((await order(sam)).outcome.code).toBe('APPLIED');
    expect(await lab.kinit(sam, NEW_PASSWORD)).toBe('ok');
  },
);

test.each<[string, string, Partial<Order>]>([
  ['ACCOUNT_DISABLED', 'disabled', {}],
  ['ACCOUNT_EXPIRED', 'expired', {}],
  ['SMARTCARD_REQUIRED', 'smartcard', {}],
  ['ACCOUNT_LOCKED', 'locked', { op: 'change', oldPassword: 'whatever-it-was-1' }],
  ['OUT_OF_SCOPE', 'olaf', {}],
  ['PROTECTED_ACCOUNT', 'boss', {}],
  ['PROTECTED_ACCOUNT', 'formeradmin', {}],
  ['PROTECTED_ACCOUNT', 'svc-web', {}],
  ['WRONG_PASSWORD', 'anna', { op: 'change', oldPassword: 'Not-the-old-one-1' }],
  ['PASSWORD_POLICY', 'anna', { password: 'Short-1' }],
  ['PASSWORD_POLICY', 'anna', { password: 'all-lower-case-letters' }],
  ['PASSWORD_POLICY', 'strict', { password: 'Only-15-chars-x' }],
  ['CANNOT_CHANGE_PASSWORD', 'fixed', { op: 'change', oldPassword: 'Fixed-has-4-Keys' }],
])('%s is what the real directory says of %s', async (code, sam, rest) => {
  const oldPassword =
    rest.oldPassword === 'Fixed-has-4-Keys' ? lab.person(sam).password : undefined;
  const { outcome } = await order(sam, {
    ...rest,
    ...(oldPassword !== undefined && { oldPassword }),
  });
  expect(outcome.code).toBe(code);
  expect(await writes()).toBe(0);
});

test('what the delegation would allow, the guard refuses by name, group and unit, without a write', async () => {
  const bound = AbortSignal.timeout(10_000);
  const anna = await directory.read({ objectGuid: guidOf('anna') }, bound);
  const longPasswords = await groupOf('strict');
  const narrowed: readonly (readonly [Partial<GuardSettings>, string, string])[] = [
    [{ protectedAccounts: [anna.sid] }, 'anna', 'PROTECTED_ACCOUNT'],
    [{ protectedGroups: [longPasswords] }, 'strict', 'PROTECTED_ACCOUNT'],
    [{ allowedGroups: [longPasswords] }, 'anna', 'OUT_OF_SCOPE'],
    [{ deniedBaseDns: [`ou=berlin, ${lab.delegatedOu}`] }, 'clara', 'OUT_OF_SCOPE'],
    [{ dryRun: true }, 'anna', 'DRY_RUN'],
  ];
  for (const [settings, sam, code] of narrowed) {
    await using narrow = await CommandRig.open({
      directory,
      guard: { ...OPEN_GUARD, ...settings },
    });
    for (const op of ['reset', 'unlock'] as const) {
      const { outcome } = await narrow.order({ objectGuid: guidOf(sam), op });
      expect([sam, op, outcome.code]).toEqual([sam, op, code]);
    }
  }
  expect(await writes()).toBe(0);
  // The service account may: with the guard open the very same accounts are reset.
  for (const sam of ['anna', 'strict', 'clara']) {
    expect((await order(sam)).outcome.code).toBe('APPLIED');
  }
});

test('required groups let their members through, nested or not', async () => {
  const guard = { ...OPEN_GUARD, allowedGroups: [await groupOf('strict')] };
  await using narrow = await CommandRig.open({ directory, guard });
  const objectGuid = guidOf('strict');
  expect((await narrow.order({ objectGuid, password: NEW_PASSWORD })).outcome.code).toBe('APPLIED');
});

test('the rule that was broken is named with its number', async () => {
  const { outcome } = await order('anna', { password: 'Short-1' });
  expect(outcome.rules).toEqual([{ rule: 'length', confidence: 'certain', minimumLength: 10 }]);
});

test.each(['nul\0inside-1A', 'lone\ud800surrogate-1A'])(
  'PASSWORD_NOT_ENCODABLE: what the directory would store and nobody could type is never sent',
  async (password) => {
    const claims = await rig.claims({ objectGuid: guidOf('anna') });
    const secret = await sealUnchecked({ password }, claims, rig.keys.sealing.jwk);
    const token = await sign({ ...claims, secret } as CommandClaims);
    expect((await rig.send(token)).outcome.code).toBe('PASSWORD_NOT_ENCODABLE');
    expect(await writes()).toBe(0);
  },
);

test('ACCOUNT_NOT_FOUND: an account that is not there', async () => {
  const claims = await rig.claims({ objectGuid: guidOf('anna'), op: 'unlock' });
  const token = await sign({ ...claims, account: { objectGuid: randomUUID() } });
  expect((await rig.send(token)).outcome.code).toBe('ACCOUNT_NOT_FOUND');
});

test('ACCESS_DENIED: a service account that nobody delegated anything to', async () => {
  await using bare = openAs(lab.bareAccount);
  await using other = await CommandRig.open({ directory: bare });
  const { outcome } = await other.order({ objectGuid: guidOf('anna'), password: NEW_PASSWORD });
  expect(outcome).toMatchObject({ status: 'failed', code: 'ACCESS_DENIED', retry: 'admin' });
  expect(await writes()).toBe(0);
});

test('DIRECTORY_CONFIG: a service account whose password is wrong', async () => {
  await using wrong = openAs({ ...lab.serviceAccount, password: 'Not-the-password-1' });
  await using other = await CommandRig.open({ directory: wrong });
  const { outcome } = await other.order({ objectGuid: guidOf('anna'), op: 'unlock' });
  expect(outcome).toMatchObject({ status: 'failed', code: 'DIRECTORY_CONFIG', retry: 'admin' });
});

test('DIRECTORY_UNREACHABLE: a controller that is not there, and again when it has come back', async () => {
  const claims = await rig.claims({ objectGuid: guidOf('anna'), password: NEW_PASSWORD });
  await lab.stopController(0);
  const { outcome } = await rig.send(await sign(claims));
  expect(outcome).toMatchObject({ code: 'DIRECTORY_UNREACHABLE', retry: 'later' });
  await lab.startController(0);
  await eventually(async () => {
    // A dispatch of its own, signed now: one that was signed seconds ago begins no more.
    const { signedAt, monotonicMs } = await rig.claims({
      objectGuid: guidOf('ben'),
      op: 'unlock',
    });
    const dispatch = { ...claims, jti: randomUUID(), signedAt, monotonicMs };
    const again = await rig.send(await sign(dispatch));
    expect(again.outcome.code).toBe('APPLIED');
  }, 20_000);
  expect(await lab.kinit('anna', NEW_PASSWORD)).toBe('ok');
  expect((await lab.passwordWrites()).get('anna')).toBe(1);
});

test('nothing that was not properly commanded is written in the real directory', async () => {
  const claims = await rig.claims({ objectGuid: guidOf('anna'), password: NEW_PASSWORD });
  if (claims.op === 'unlock') throw new TypeError('a reset has a secret');
  const other = await rig.claims({ objectGuid: guidOf('ben'), password: NEW_PASSWORD });
  const good = await sign(claims);
  const middle = Math.floor(good.length / 2);
  const flipped = good[middle] === 'A' ? 'B' : 'A';
  const stranger = await makeKeyPair('sig');
  const { iat, exp } = claims;
  const moved = 'secret' in other ? { secret: other.secret } : {};
  // A refusal is final for its dispatch, so each attack is a dispatch of its own.
  const altered = (change: Partial<CommandClaims>): Promise<string> =>
    sign({ ...claims, jti: randomUUID(), ...change } as CommandClaims);
  const attacks: [string, string][] = [
    ['BAD_SIGNATURE', good.slice(0, middle) + flipped + good.slice(middle + 1)],
    ['WRONG_DIRECTORY', await altered({ aud: 'other' })],
    ['WRONG_AGENT', await altered({ agent: randomUUID() })],
    ['WRONG_AGENT', await altered({ sid: randomUUID() })],
    ['BAD_SIGNATURE', await signToken('command', claims, stranger)],
    ['BAD_SIGNATURE', new UnsecuredJWT({ ...claims }).encode()],
    ['EXPIRED', await altered({ iat: iat - 600, exp: exp - 600 })],
    ['NOT_YET_VALID', await altered({ iat: iat + 600, exp: exp + 600 })],
    ['NOT_OPENABLE', await altered(moved)],
  ];
  for (const [code, token] of attacks) {
    const { outcome } = await rig.send(token);
    // A flipped character may hit the payload's JSON or the signature; both are noticed.
    expect(outcome.code === 'MALFORMED' ? 'BAD_SIGNATURE' : outcome.code).toBe(code);
  }
  await rig.toggle.offer(await rig.toggleStatement(2, false));
  expect(await rig.toggle.offer(await rig.toggleStatement(1, true))).toBe('older');
  expect((await order('anna')).outcome.code).toBe('PAUSED');
  await rig.toggle.offer(await rig.toggleStatement(3, true));
  await rig.commander.drain();
  expect((await order('anna')).outcome.code).toBe('DRAINING');
  expect(await writes()).toBe(0);
  expect(await lab.kinit('anna', lab.person('anna').password)).toBe('ok');
});

function sign(claims: CommandClaims): Promise<string> {
  return signToken('command', claims, rig.keys.service);
}
