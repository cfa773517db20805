import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GuardSettings } from '../../src/agent/commands/guard/guard-settings.ts';
import { Unresolved } from '../../src/agent/commands/outcomes.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import { CommandRig, OPEN_GUARD } from '../support/command-rig.ts';
import { crash } from '../support/crash.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DC1, DC2, FakeDomain, type Mishap } from '../support/fake-domain.ts';

const OLD_PASSWORD = 'Old-Password-1';
const NEW_PASSWORD = 'Correct-Horse-7';
const CHANGE = { op: 'change', oldPassword: OLD_PASSWORD } as const;

let clock: FakeClock;
let domain: FakeDomain;
let ann: string;
let rig: CommandRig;

beforeEach(async () => {
  clock = new FakeClock();
  domain = new FakeDomain({ clock, controllers: [DC1, DC2] });
  ann = domain.add();
  rig = await CommandRig.open({ directory: domain, clock });
});

afterEach(() => rig[Symbol.asyncDispose]());

async function restart(guard?: GuardSettings): Promise<void> {
  await rig.stop();
  rig = await CommandRig.open({ directory: domain, clock, after: rig, ...(guard && { guard }) });
}

/** When each write is sent from now on, on the monotonic clock. */
function writesSentAt(): readonly number[] {
  const sentAt: number[] = [];
  const apply = domain.apply.bind(domain);
  domain.apply = (...args) => {
    sentAt.push(clock.monotonic());
    return apply(...args);
  };
  return sentAt;
}

/** These say nothing between two moments, counted from now. */
function silentBetween(fromMs: number, untilMs: number, names = [DC1, DC2]): void {
  const startedAt = clock.monotonic();
  const read = domain.read.bind(domain);
  domain.read = (...args) => {
    const passedMs = clock.monotonic() - startedAt;
    const silent = passedMs >= fromMs && passedMs < untilMs;
    for (const name of names) {
      if (silent) domain.silent.add(name);
      else domain.silent.delete(name);
    }
    return read(...args);
  };
}

describe('a write that a crash kept from arriving is looked at anew before it is made:', () => {
  test.each([
    ['protected', { adminCount: true }, 'PROTECTED_ACCOUNT'],
    [
      'moved out of scope',
      { distinguishedName: 'CN=ann,OU=Board,DC=corp,DC=test' },
      'OUT_OF_SCOPE',
    ],
  ])('an account that was %s meanwhile is refused', async (_what, facts, code) => {
    const claims = await rig.claims({ objectGuid: ann });
    await crash({ rig, domain }, claims, 'never-arrives');
    domain.touch(ann, facts);
    await restart();
    const { outcome } = await rig.dispatch(claims);
    expect(outcome).toMatchObject({ code, status: 'refused', controller: DC1 });
    expect(domain.written).toEqual([]);
    expect(rig.journal.open).toBe(0);
  });

  test('an operation that the configuration of the restart leaves out is refused', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    await crash({ rig, domain }, claims, 'never-arrives');
    const operations = { self: ['reset'], admin: ['unlock'] } as const;
    await restart({ ...OPEN_GUARD, operations });
    expect((await rig.dispatch(claims)).outcome.code).toBe('OPERATION_NOT_ALLOWED');
    expect(domain.written).toEqual([]);
    expect(rig.journal.open).toBe(0);
  });

  // A wrong old password moves nothing either: the one whose answer was lost counts as one.
  test.each([
    ['at its limit of wrong passwords, is refused', 2, 'RATE_LIMITED', []],
    ['below it, is made', 3, 'APPLIED', [{ controller: DC1, password: NEW_PASSWORD }]],
  ])('a change, %s', async (_what, wrongPasswords, code, written) => {
    const guard = { ...OPEN_GUARD, limits: { ...OPEN_GUARD.limits, wrongPasswords } };
    await restart(guard);
    const wrong = await rig.order({ objectGuid: ann, ...CHANGE, oldPassword: 'Not-hers-1' });
    expect(wrong.outcome.code).toBe('WRONG_PASSWORD');
    const claims = await rig.claims({ objectGuid: ann, ...CHANGE });
    await crash({ rig, domain }, claims, 'never-arrives');
    await restart(guard);
    const sentAt = writesSentAt();
    expect((await rig.dispatch(claims)).outcome.code).toBe(code);
    expect(domain.written).toEqual(written);
    expect(sentAt).toHaveLength(written.length);
  });
});

test('wrong old passwords whose answers were lost count, and are not offered past the limit', async () => {
  await restart({ ...OPEN_GUARD, limits: { ...OPEN_GUARD.limits, wrongPasswords: 3 } });
  const wrong = { objectGuid: ann, ...CHANGE, oldPassword: 'Not-hers-1' };
  domain.befall('answer-lost');
  expect((await rig.order(wrong)).outcome.code).toBe('WRONG_PASSWORD');
  expect(domain.wrongPasswords).toBe(2);
  domain.befall('answer-lost');
  expect((await rig.order(wrong)).outcome.code).toBe('RATE_LIMITED');
  expect(domain.wrongPasswords).toBe(3);
});

describe('a controller that falls silent while it settles', () => {
  test('is not written to again before a whole settle time after it is back', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    domain.befall('never-arrives');
    silentBetween(6_000, 9_000);
    const sentAt = writesSentAt();
    expect((await rig.dispatch(claims)).outcome.code).toBe('APPLIED');
    const [first = NaN, second = NaN] = sentAt;
    expect(second - first).toBeGreaterThanOrEqual(19_000);
    expect(domain.written).toHaveLength(1);
  });

  test('may have been frozen, and carry the write out when it goes on: once', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    domain.befall({ lateByMs: 12_000 });
    silentBetween(6_000, 9_000);
    const { outcome } = await rig.dispatch(claims);
    expect(outcome).toMatchObject({ code: 'APPLIED', inferred: true });
    expect(domain.written).toHaveLength(1);
  });
});

test('a controller that is silent for less than a settle time is waited for: nothing is written elsewhere', async () => {
  clock.advance(60_000); // of the process, which is of no account
  const claims = await rig.claims({ objectGuid: ann });
  domain.befall({ lateByMs: 3_000 });
  silentBetween(1_000, 9_000, [DC1]);
  const { outcome } = await rig.dispatch(claims);
  expect(outcome).toMatchObject({ code: 'APPLIED', inferred: true, controller: DC1 });
  expect(outcome.reapplied).toBeUndefined();
  expect(domain.written).toEqual([{ controller: DC1, password: NEW_PASSWORD }]);
});

test('a password without must-change is not taken for a write with it that never arrived', async () => {
  const claims = await rig.claims({ objectGuid: ann, claims: { mustChange: true } });
  await crash({ rig, domain }, claims, 'never-arrives');
  domain.resetByAdmin(ann, 'Another-Horse-8');
  await restart();
  expect((await rig.dispatch(claims)).outcome.code).toBe('SUPERSEDED');
  expect(domain.written).toEqual([]);
});

test('a write whose answer nobody would hear any more is left to the next dispatch', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  await crash({ rig, domain }, claims, 'never-arrives');
  await restart();
  silentBetween(0, 25_000);
  const sentAt = writesSentAt();
  await expect(rig.dispatch(claims)).rejects.toBeInstanceOf(Unresolved);
  expect(clock.monotonic()).toBeLessThan(40_000); // it has settled: what was short is the time to write
  expect(sentAt).toEqual([]);
  expect(rig.journal.open).toBe(1);
  expect((await rig.dispatch(claims)).outcome).toMatchObject({ code: 'APPLIED' });
  expect(domain.written).toHaveLength(1);
});

describe('a second operation right after a restart waits for what the first one may have left under way', () => {
  let second: CommandClaims;

  beforeEach(async () => {
    const first = await rig.claims({ objectGuid: ann });
    second = await rig.claims({ objectGuid: ann, password: 'Another-Horse-8' });
    await crash({ rig, domain }, first, 'never-arrives');
  });

  test.each([
    ['was sent half a minute ago', true],
    ['looks as old because the clock was set', false],
  ])('although it %s', async (_what, passed) => {
    if (passed) clock.advance(28_000);
    else clock.setNow(clock.now() + 28_000);
    await restart();
    expect((await rig.dispatch(second)).outcome).toMatchObject({ code: 'BUSY', controller: DC1 });
    clock.advance(9_000);
    expect((await rig.dispatch(second)).outcome.code).toBe('BUSY');
    expect(domain.written).toEqual([]);
    clock.advance(2_000);
    expect((await rig.dispatch(second)).outcome.code).toBe('APPLIED');
    expect(domain.written).toEqual([{ controller: DC1, password: 'Another-Horse-8' }]);
  });
});

describe('a write that was made anew on a second controller, and cut off there,', () => {
  async function cutOffTwice(second: Mishap): Promise<CommandClaims> {
    const claims = await rig.claims({ objectGuid: ann });
    await crash({ rig, domain }, claims, 'never-arrives');
    domain.silent.add(DC1);
    await restart();
    await crash({ rig, domain }, claims, second);
    await restart();
    return claims;
  }

  test('is found out there, and told as one that may have been made twice', async () => {
    const claims = await cutOffTwice('answer-lost');
    expect((await rig.dispatch(claims)).outcome).toMatchObject({
      code: 'APPLIED',
      inferred: true,
      reapplied: true,
      controller: DC2,
      message: expect.stringContaining(`written once more, on ${DC2}`) as string,
    });
    expect(domain.written).toEqual([{ controller: DC2, password: NEW_PASSWORD }]);
  });

  test('is unknown to the service that asks when its time is over', async () => {
    const claims = await cutOffTwice('never-arrives');
    clock.advance(330_000);
    const { outcome } = await rig.dispatch(claims);
    expect(outcome).toMatchObject({ code: 'INDETERMINATE', controller: DC2 });
  });

  test('is unknown once its time is over: the first one may have been made', async () => {
    const { cmd } = await cutOffTwice('never-arrives');
    clock.advance(330_000);
    await rig.commander.settleLeftOvers();
    const { outcome } = await rig.verify(await rig.journal.outcomeOf(cmd));
    expect(outcome).toMatchObject({ code: 'INDETERMINATE', status: 'unknown', controller: DC2 });
  });
});

describe('what became of a write to an account that was deleted since is unknown for good', () => {
  let claims: CommandClaims;

  beforeEach(async () => {
    claims = await rig.claims({ objectGuid: ann });
    await crash({ rig, domain }, claims, 'answer-lost');
    domain.remove(ann);
    await restart();
  });

  test('to the service that asks', async () => {
    expect((await rig.dispatch(claims)).outcome.code).toBe('INDETERMINATE');
    expect(rig.journal.open).toBe(0);
  });

  test('to the agent that settles it by itself', async () => {
    clock.advance(28_000);
    await rig.commander.settleLeftOvers();
    const { outcome } = await rig.verify(await rig.journal.outcomeOf(claims.cmd));
    expect(outcome).toMatchObject({ code: 'INDETERMINATE', controller: DC1 });
  });
});

test('a controller that was put back to before the intent says nothing of its write', async () => {
  const { unicodePwd: before } = await domain.read(
    { objectGuid: ann },
    new AbortController().signal,
  );
  if (before === undefined) throw new Error('metadata is readable here');
  domain.resetByAdmin(ann, OLD_PASSWORD);
  const claims = await rig.claims({ objectGuid: ann });
  await crash({ rig, domain }, claims, 'answer-lost');
  domain.replicates = false;
  domain.touch(ann, { metadata: before });
  await restart();
  await expect(rig.dispatch(claims)).rejects.toBeInstanceOf(Unresolved);
  domain.replicate();
  expect((await rig.dispatch(claims)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
  expect(domain.written).toHaveLength(1);
});
