import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toFiletime } from '../../src/agent/directory/filetime.ts';
import { Unresolved } from '../../src/agent/commands/outcomes.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import { CommandRig, type Order } from '../support/command-rig.ts';
import { crash } from '../support/crash.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DC1, DC2, FakeDomain, type Mishap } from '../support/fake-domain.ts';

const NEW_PASSWORD = 'Correct-Horse-7';
const LATER_PASSWORD = 'Another-Horse-8';

let clock: FakeClock;
let domain: FakeDomain;
let ann: string;
let rig: CommandRig;

async function start(options: { metadata?: boolean; two?: boolean } = {}): Promise<void> {
  const controllers = options.two === true ? ([DC1, DC2] as const) : ([DC1] as const);
  domain = new FakeDomain({ clock, controllers, metadata: options.metadata ?? true });
  ann = domain.add();
  rig = await CommandRig.open({ directory: domain, clock });
}

beforeEach(async () => {
  clock = new FakeClock();
  await start();
});

afterEach(() => rig[Symbol.asyncDispose]());

function send(claims: CommandClaims, change: Partial<CommandClaims> = {}): Promise<OutcomeClaims> {
  return rig.dispatch(claims, change);
}

async function crashDuring(claims: CommandClaims, mishap: Mishap): Promise<void> {
  await crash({ rig, domain }, claims, mishap);
  await restart();
}

async function restart(): Promise<void> {
  await rig.stop();
  rig = await CommandRig.open({ directory: domain, clock, after: rig });
}

describe.each([
  ['with replication metadata', true],
  ['without replication metadata', false],
])('%s', (_what, metadata) => {
  beforeEach(async () => {
    await rig[Symbol.asyncDispose]();
    await start({ metadata });
  });

  const orders: [string, Partial<Order>][] = [
    ['a reset', {}],
    ['a change', { op: 'change', oldPassword: 'Old-Password-1' }],
    ['a reset with must-change', { claims: { mustChange: true } }],
  ];

  test.each(orders)(
    '%s whose answer was lost is found out, and not sent again',
    async (_op, order) => {
      domain.befall('answer-lost');
      const { outcome } = await rig.order({ objectGuid: ann, ...order });
      expect(outcome).toMatchObject({
        code: 'APPLIED',
        inferred: true,
        controller: DC1,
        effect: { passwordSet: true },
      });
      expect(outcome.reapplied).toBeUndefined();
      expect(domain.written).toHaveLength(1);
      expect(clock.slept).toEqual([]);
    },
  );

  test.each(orders)(
    '%s that never arrived is sent again after the settle time, once',
    async (_op, order) => {
      domain.befall('never-arrives');
      const { outcome } = await rig.order({ objectGuid: ann, ...order });
      expect(outcome).toMatchObject({ code: 'APPLIED', controller: DC1 });
      expect([outcome.inferred, outcome.reapplied]).toEqual([undefined, undefined]);
      expect(domain.written).toEqual([{ controller: DC1, password: NEW_PASSWORD }]);
      expect(clock.monotonic()).toBeGreaterThanOrEqual(10_000);
    },
  );

  test.each(orders)('%s carried out late, after the cut, is not sent again', async (_op, order) => {
    domain.befall({ lateByMs: 8_500 });
    const { outcome } = await rig.order({ objectGuid: ann, ...order });
    expect(outcome).toMatchObject({ code: 'APPLIED', inferred: true });
    expect(domain.written).toHaveLength(1);
  });

  test.each(orders)(
    '%s that a crash cut off is found out after the restart',
    async (_op, order) => {
      const claims = await rig.claims({ objectGuid: ann, ...order });
      await crashDuring(claims, 'answer-lost');
      expect(rig.journal.open).toBe(1);
      expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
      expect(domain.written).toHaveLength(1);
      expect(rig.journal.open).toBe(0);
    },
  );

  test.each(orders)(
    '%s that a crash kept from being sent is sent after the restart',
    async (_op, order) => {
      const claims = await rig.claims({ objectGuid: ann, ...order });
      await crashDuring(claims, 'never-arrives');
      expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED' });
      expect(domain.written).toHaveLength(1);
    },
  );

  test('what somebody else wrote after a write that never arrived is not overwritten', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    await crashDuring(claims, 'never-arrives');
    clock.advance(60_000);
    domain.resetByAdmin(ann, LATER_PASSWORD);
    expect((await send(claims)).outcome.code).toBe('SUPERSEDED');
    expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
  });

  test('a write that never arrived and whose time is over has expired, and nothing is written', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    await crashDuring(claims, 'never-arrives');
    clock.advance(6 * 60_000);
    expect((await send(claims)).outcome.code).toBe('EXPIRED');
    expect(domain.written).toEqual([]);
  });

  test('an unlock whose answer was lost is done when the account is unlocked', async () => {
    const lockoutTime = toFiletime(clock.now() - 1000);
    domain.touch(ann, { lockoutTime, locked: true });
    domain.befall('answer-lost');
    const { outcome } = await rig.order({ objectGuid: ann, op: 'unlock' });
    expect(outcome).toMatchObject({ code: 'APPLIED', inferred: true, effect: { unlocked: true } });
    expect(domain.unlocks).toBe(1);
  });

  test('a lockout that came after a lost unlock is left alone', async () => {
    domain.touch(ann, { lockoutTime: toFiletime(clock.now() - 1000), locked: true });
    const claims = await rig.claims({ objectGuid: ann, op: 'unlock' });
    await crashDuring(claims, 'never-arrives');
    const lockoutTime = toFiletime(clock.now() + 1000);
    domain.touch(ann, { lockoutTime, locked: true });
    expect((await send(claims)).outcome.code).toBe('SUPERSEDED');
    expect(domain.unlocks).toBe(0);
  });

  test("a second agent takes the first one's write for what it is", async () => {
    const claims = await rig.claims({ objectGuid: ann });
    domain.resetByAdmin(ann, NEW_PASSWORD); // the first agent's
    const attempts = [attempt(0, 13_000)];
    expect((await send(claims, { attempts })).outcome).toMatchObject({
      code: 'APPLIED',
      inferred: true,
      effect: { passwordSet: true },
    });
    expect(domain.written).toEqual([]);
  });

  test('a second agent that finds nothing of the first one writes, and it is the only write', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    const { outcome } = await send(claims, { attempts: [attempt(0, 13_000)] });
    expect([outcome.code, outcome.reapplied]).toEqual(['APPLIED', undefined]);
    expect(domain.written).toHaveLength(1);
  });

  test("a change shortly before the first agent's time is somebody else's to a second agent", async () => {
    const claims = await rig.claims({ objectGuid: ann });
    domain.resetByAdmin(ann, LATER_PASSWORD);
    clock.advance(6_000);
    expect((await send(claims, { attempts: [attempt(0, 13_000)] })).outcome.code).toBe(
      'SUPERSEDED',
    );
    expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
  });

  test("a change of a second before the first agent's time is somebody else's to a second agent", async () => {
    const claims = await rig.claims({ objectGuid: ann });
    domain.resetByAdmin(ann, LATER_PASSWORD);
    clock.advance(18_218); // handed to the first agent 1,337 ms after that change, to the second one now
    const attempts = [attempt(1_337 - 18_218, 14_337 - 18_218)];
    expect((await send(claims, { attempts })).outcome.code).toBe('SUPERSEDED');
    expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
  });

  test('the write of another operation in the very same second is not taken for it', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    domain.resetByAdmin(ann, LATER_PASSWORD); // by the operation before, which has told
    const { pwdLastSet } = await domain.read({ objectGuid: ann }, new AbortController().signal);
    const attempts = [attempt(0, 13_000)];
    const { outcome } = await send(claims, { attempts, knownPwdLastSet: [pwdLastSet] });
    expect(outcome.code).toBe('SUPERSEDED');
    expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
  });

  test("neither the service's clock nor the controller's moves the first agent's time", async () => {
    const claims = await rig.claims({ objectGuid: ann });
    domain.resetByAdmin(ann, NEW_PASSWORD); // the first agent's
    clock.advance(6_000);
    const signedAt = timestamp(clock.now() + 25_000);
    const iat = Math.floor(Date.parse(signedAt) / 1000);
    const attempts = [attempt(19_000, 32_000)]; // 6 s before the command, by the service's clock
    expect((await send(claims, { iat, signedAt, attempts })).outcome.code).toBe('APPLIED');
  });

  test("a change long after the first agent's time is somebody else's to a second agent", async () => {
    const claims = await rig.claims({ objectGuid: ann });
    const attempts = [attempt(0, 13_000)];
    clock.advance(90_000);
    domain.resetByAdmin(ann, LATER_PASSWORD);
    expect((await send(claims, { attempts })).outcome.code).toBe('SUPERSEDED');
    expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
  });
});

function attempt(fromMs: number, untilMs: number, controller = DC1): CommandClaims['attempts'][0] {
  const at = (ms: number): string => new Date(clock.now() + ms).toISOString();
  return { agent: randomUUID(), from: at(fromMs), until: at(untilMs), controller };
}

describe('must-change where nothing tells one 0 from another', () => {
  const order = { claims: { mustChange: true } } as const;

  beforeEach(async () => {
    await rig[Symbol.asyncDispose]();
    await start({ metadata: false });
    domain.touch(ann, { pwdLastSet: '0' });
  });

  test('the same password is written again, and the outcome says so', async () => {
    domain.befall('answer-lost');
    const { outcome } = await rig.order({ objectGuid: ann, ...order });
    expect(outcome).toMatchObject({ code: 'APPLIED', reapplied: true });
    expect(domain.written.map(({ password }) => password)).toEqual([NEW_PASSWORD, NEW_PASSWORD]);
  });

  test('what never arrived left the object untouched, and is one write', async () => {
    domain.befall('never-arrives');
    const { outcome } = await rig.order({ objectGuid: ann, ...order });
    expect([outcome.code, outcome.reapplied]).toEqual(['APPLIED', undefined]);
    expect(domain.written).toHaveLength(1);
  });

  test('once its time is over it is unknown', async () => {
    const claims = await rig.claims({ objectGuid: ann, ...order });
    await crashDuring(claims, 'answer-lost');
    clock.advance(6 * 60_000);
    expect((await send(claims)).outcome).toMatchObject({ code: 'INDETERMINATE', retry: 'user' });
    expect(domain.written).toHaveLength(1);
  });

  test('a refusal of the second write does not deny the first', async () => {
    const claims = await rig.claims({ objectGuid: ann, ...order });
    await crashDuring(claims, 'answer-lost');
    domain.touch(ann);
    await rig.toggle.offer(await rig.toggleStatement(1, false));
    await expect(send(claims)).rejects.toMatchObject({ name: 'Unresolved' });
    expect(rig.journal.open).toBe(1);
    await rig.toggle.offer(await rig.toggleStatement(2, true));
    expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', reapplied: true });
  });
});

test('a dispatch that was held back does not make a write that never arrived', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  await crashDuring(claims, 'never-arrives');
  clock.advance(60_000);
  const late = send(claims, { monotonicMs: clock.monotonic() - 40_000 });
  await expect(late).rejects.toBeInstanceOf(Unresolved);
  expect(domain.written).toEqual([]);
  expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED' });
  expect(domain.written).toHaveLength(1);
});

test('paused meanwhile, a write that never arrived is not made, and is made once resumed', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  await crashDuring(claims, 'never-arrives');
  await rig.toggle.offer(await rig.toggleStatement(1, false));
  expect((await send(claims)).outcome.code).toBe('PAUSED');
  await rig.toggle.offer(await rig.toggleStatement(2, true));
  expect((await send(claims)).outcome.code).toBe('APPLIED');
  expect(domain.written).toHaveLength(1);
});

test.each([
  ['before', 3_000, 1_000],
  ['after', 1_000, 3_000],
])(
  "a cut-off write with somebody else's %s it is unknown: nothing tells which of them counts",
  async (_order, lateByMs, rivalAfterMs) => {
    const claims = await rig.claims({ objectGuid: ann });
    await crashDuring(claims, { lateByMs });
    clock.advance(rivalAfterMs);
    domain.passwordOf(ann); // whatever is due by now is carried out
    domain.resetByAdmin(ann, LATER_PASSWORD);
    clock.advance(4_000 - rivalAfterMs);
    expect((await send(claims)).outcome.code).toBe('INDETERMINATE');
  },
);

test('a second operation waits until a lost write of the first can do no more', async () => {
  const first = await rig.claims({ objectGuid: ann });
  await crashDuring(first, { lateByMs: 8_000 });
  const second = await rig.claims({ objectGuid: ann, password: LATER_PASSWORD });
  expect((await send(second)).outcome).toMatchObject({ code: 'BUSY', retry: 'later' });
  clock.advance(28_000);
  // The first one landed: its outcome is written down, and the second was made for another account state.
  expect((await send(second)).outcome.code).toBe('SUPERSEDED');
  const seq = rig.journal.seq;
  expect((await send(first)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
  expect(rig.journal.seq).toBe(seq + 1);
});

test('what became of the first operation is written down before a second one hides it', async () => {
  const first = await rig.claims({ objectGuid: ann });
  await crashDuring(first, 'answer-lost');
  clock.advance(28_000);
  const second = await rig.order({ objectGuid: ann, password: LATER_PASSWORD });
  expect(second.outcome.code).toBe('APPLIED');
  expect((await send(first)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
  expect(domain.written.map(({ password }) => password)).toEqual([NEW_PASSWORD, LATER_PASSWORD]);
  expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
});

test('a first operation that never arrived does not come back over a second one', async () => {
  const first = await rig.claims({ objectGuid: ann });
  await crashDuring(first, 'never-arrives');
  clock.advance(28_000);
  await rig.order({ objectGuid: ann, password: LATER_PASSWORD });
  expect((await send(first)).outcome.code).toBe('SUPERSEDED');
  expect(domain.written.map(({ password }) => password)).toEqual([LATER_PASSWORD]);
});

test('an operation so old that it may have been forgotten is unknown, not expired', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  await send(claims);
  clock.advance(25 * 3_600_000);
  expect((await send(claims)).outcome.code).toBe('APPLIED');
  rig.journal.confirm(rig.journal.seq);
  await rig.journal.compact(clock.now());
  expect((await send(claims)).outcome).toMatchObject({ code: 'INDETERMINATE', status: 'unknown' });
  expect(domain.written).toHaveLength(1);
});

describe('with two controllers', () => {
  beforeEach(async () => {
    await rig[Symbol.asyncDispose]();
    await start({ two: true });
  });

  test('when the one written to is gone and the other shows nothing, the same is written there', async () => {
    domain.befall('never-arrives');
    const claims = await rig.claims({ objectGuid: ann });
    goneAfterWrite();
    expect((await send(claims)).outcome).toMatchObject({
      code: 'APPLIED',
      controller: DC2,
      reapplied: true,
      message: expect.stringContaining(`written once more, on ${DC2}`) as string,
    });
    expect(domain.written).toEqual([{ controller: DC2, password: NEW_PASSWORD }]);
  });

  test('when the other one has it by replication, nothing is written again', async () => {
    domain.befall('answer-lost');
    const claims = await rig.claims({ objectGuid: ann });
    goneAfterWrite();
    expect((await send(claims)).outcome).toMatchObject({
      code: 'APPLIED',
      controller: DC2,
      inferred: true,
    });
    expect(domain.written).toHaveLength(1);
  });

  test('partitioned controllers end up with the same password and one outcome', async () => {
    domain.replicates = false;
    domain.befall('answer-lost');
    const claims = await rig.claims({ objectGuid: ann });
    goneAfterWrite();
    expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', reapplied: true });
    domain.silent.clear();
    domain.replicate();
    expect([domain.passwordOf(ann, DC1), domain.passwordOf(ann, DC2)]).toEqual([
      NEW_PASSWORD,
      NEW_PASSWORD,
    ]);
  });

  describe("somebody else's change on another controller, while the one written to is frozen,", () => {
    async function rivalWhileFrozen(mishap: Mishap): Promise<CommandClaims> {
      domain.replicates = false;
      domain.befall(mishap);
      const claims = await rig.claims({ objectGuid: ann });
      goneAfterWrite();
      const apply = domain.apply.bind(domain);
      domain.apply = (...args) => {
        domain.apply = apply;
        const result = apply(...args);
        domain.resetByAdmin(ann, LATER_PASSWORD, false, DC2);
        return result;
      };
      await expect(send(claims)).rejects.toBeInstanceOf(Unresolved);
      return claims;
    }

    test('decides nothing: the write that is carried out after it counts, and is told of', async () => {
      const claims = await rivalWhileFrozen({ lateByMs: 10_000 });
      domain.silent.clear();
      expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
      domain.replicate();
      expect(domain.passwordOf(ann, DC2)).toBe(NEW_PASSWORD);
      expect(domain.written).toHaveLength(1);
    });

    test('supersedes a write that never arrived, as soon as that one says so', async () => {
      const claims = await rivalWhileFrozen('never-arrives');
      domain.silent.clear();
      domain.replicate();
      expect((await send(claims)).outcome.code).toBe('SUPERSEDED');
      expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
      expect(domain.written).toEqual([]);
    });

    test('leaves it unknown when that one is not back in time', async () => {
      const claims = await rivalWhileFrozen('never-arrives');
      clock.advance(6 * 60_000);
      expect((await send(claims)).outcome.code).toBe('INDETERMINATE');
    });

    test('leaves it unknown to the next operation on the account, too', async () => {
      const claims = await rivalWhileFrozen('never-arrives');
      clock.advance(60_000);
      const next = await rig.claims({ objectGuid: ann, password: 'Third-Horse-9' });
      expect((await send(next)).outcome).toMatchObject({ code: 'APPLIED', controller: DC2 });
      expect((await send(claims)).outcome.code).toBe('INDETERMINATE');
    });
  });

  test('a change is never sent to a second controller: the intent stays open until the first is back', async () => {
    domain.befall('answer-lost');
    domain.replicates = false;
    const order = { op: 'change', oldPassword: 'Old-Password-1' } as const;
    const claims = await rig.claims({ objectGuid: ann, ...order });
    goneAfterWrite();
    await expect(send(claims)).rejects.toMatchObject({ name: 'Unresolved' });
    domain.silent.clear();
    expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
    expect(domain.written).toHaveLength(1);
  });

  test('while nobody answers nothing is said, and the service may ask again', async () => {
    domain.befall('answer-lost');
    const claims = await rig.claims({ objectGuid: ann });
    goneAfterWrite(DC1, DC2);
    await expect(send(claims)).rejects.toMatchObject({ name: 'Unresolved' });
    expect(clock.monotonic()).toBeLessThan(45_000);
    domain.silent.clear();
    expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
  });

  test('a controller that has not heard of the baseline yet is not mistaken for a change', async () => {
    domain.replicates = false;
    domain.resetByAdmin(ann, 'Before-Baseline-1');
    const claims = await rig.claims({ objectGuid: ann });
    domain.silent.add(DC1);
    expect((await send(claims)).outcome).toMatchObject({ code: 'DIRECTORY_BUSY', retry: 'later' });
    domain.silent.clear();
    expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', controller: DC1 });
  });

  test('a baseline that the usual controller has not heard of is written on where it was taken', async () => {
    domain.replicates = false;
    domain.resetByAdmin(ann, 'Before-Baseline-1', false, DC2);
    domain.silent.add(DC1);
    const claims = await rig.claims({ objectGuid: ann });
    domain.silent.clear();
    expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', controller: DC2 });
    expect(domain.written).toEqual([{ controller: DC2, password: NEW_PASSWORD }]);
  });

  test('a second agent asks the controller that the first one wrote on', async () => {
    domain.replicates = false;
    const claims = await rig.claims({ objectGuid: ann });
    domain.resetByAdmin(ann, NEW_PASSWORD, false, DC2); // the first agent's
    const attempts = [attempt(0, 13_000, DC2)];
    expect((await send(claims, { attempts })).outcome).toMatchObject({
      code: 'APPLIED',
      inferred: true,
      controller: DC2,
    });
    expect(domain.written).toEqual([]);
  });

  test('a second agent that cannot ask that controller writes on another, and says so', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    const attempts = [attempt(0, 13_000, DC2)];
    domain.silent.add(DC2);
    expect((await send(claims, { attempts })).outcome).toMatchObject({
      code: 'APPLIED',
      reapplied: true,
      controller: DC1,
    });
  });

  /** On a baseline that has the metadata, as the service takes it. */
  async function claimsByMetadata(): Promise<CommandClaims> {
    const { unicodePwd } = await domain.read({ objectGuid: ann }, new AbortController().signal);
    const baseline = { ...(await rig.baseline(ann)), unicodePwd };
    return rig.claims({ objectGuid: ann, baseline });
  }

  test('a baseline whose metadata still hold is written on', async () => {
    expect((await send(await claimsByMetadata())).outcome.code).toBe('APPLIED');
    expect(domain.written).toHaveLength(1);
  });

  /** Never said to have begun anywhere: the agent's session was lost before. */
  function lostAttempt(fromMs: number, untilMs: number): CommandClaims['attempts'][0] {
    const { controller: _, ...lost } = attempt(fromMs, untilMs);
    return lost;
  }

  describe("a change on another controller seconds before the first agent's time", () => {
    const attempts = () => [lostAttempt(-216_470, -31_212)];
    let claims: CommandClaims;

    async function changedBefore(aheadMs = 0, beforeMs = 3_940): Promise<void> {
      domain.aheadMs[DC2] = aheadMs;
      claims = await claimsByMetadata();
      domain.resetByAdmin(ann, LATER_PASSWORD, false, DC2);
      clock.advance(beforeMs + 216_470);
    }

    test.each([0, 20_000, -20_000])(
      "is somebody else's, its clock being %i ms ahead",
      async (aheadMs) => {
        await changedBefore(aheadMs);
        const { outcome } = await send(claims, { attempts: attempts() });
        expect(outcome.code).toBe('SUPERSEDED');
      },
    );

    test('is of nobody known while the clock of that controller is not', async () => {
      await changedBefore();
      domain.unheard.add(DC2);
      const { outcome } = await send(claims, { attempts: attempts() });
      expect(outcome).toMatchObject({ code: 'INDETERMINATE', status: 'unknown' });
    });

    test("is somebody else's, whatever the clocks say, when theirs is known to be", async () => {
      await changedBefore();
      domain.unheard.add(DC2);
      const { pwdLastSet } = await domain.read({ objectGuid: ann }, new AbortController().signal);
      const known = { attempts: attempts(), knownPwdLastSet: [pwdLastSet] };
      expect((await send(claims, known)).outcome.code).toBe('SUPERSEDED');
    });

    test('is of nobody known when the clocks were told so slowly that it may lie inside', async () => {
      await changedBefore();
      domain.clockTookMs = 4_000;
      const { outcome } = await send(claims, { attempts: attempts() });
      expect(outcome.code).toBe('INDETERMINATE');
    });

    test('is of nobody known when the command may have been signed that much before it came', async () => {
      await changedBefore(0, 2_440);
      const monotonicMs = clock.monotonic() - 2_400;
      const { outcome } = await send(claims, { attempts: attempts(), monotonicMs });
      expect(outcome.code).toBe('INDETERMINATE');
    });

    test('is not even looked at when the command was so long on its way', async () => {
      await changedBefore();
      const monotonicMs = clock.monotonic() - 4_000;
      const { outcome } = await send(claims, { attempts: attempts(), monotonicMs });
      expect(outcome).toMatchObject({ code: 'BUSY', retry: 'later' });
    });

    afterEach(() => {
      expect(domain.written).toEqual([]);
      expect(domain.passwordOf(ann)).toBe(LATER_PASSWORD);
    });
  });

  test.each([0, 25_000, -25_000])(
    "the first agent's write on another controller is known by that one's clock, %i ms ahead",
    async (aheadMs) => {
      domain.aheadMs[DC2] = aheadMs;
      const claims = await claimsByMetadata();
      clock.advance(50);
      domain.resetByAdmin(ann, NEW_PASSWORD, false, DC2); // the first agent's
      clock.advance(20_000);
      const attempts = [lostAttempt(-20_050, -7_050)];
      const { outcome } = await send(claims, { attempts });
      expect(outcome).toMatchObject({ code: 'APPLIED', inferred: true });
      expect(domain.written).toEqual([]);
    },
  );

  /** These stop answering as soon as the next write was sent. */
  function goneAfterWrite(...names: string[]): void {
    const apply = domain.apply.bind(domain);
    domain.apply = (...args) => {
      const result = apply(...args);
      for (const name of names.length > 0 ? names : [DC1]) domain.silent.add(name);
      domain.apply = apply;
      return result;
    };
  }
});

test('an agent that is told to stop does not wait for what became of a write: the next one finds out', async () => {
  await rig[Symbol.asyncDispose]();
  clock = new FakeClock(undefined, { autoAdvance: false });
  await start();
  domain.befall('never-arrives');
  const claims = await rig.claims({ objectGuid: ann });
  const waiting = expect(send(claims)).rejects.toMatchObject({ name: 'Unresolved' });
  await eventually(() => {
    expect(clock.sleeping).toBe(1);
  });
  await rig.commander.drain();
  await waiting;
  expect(rig.journal.open).toBe(1);
  // A refusal would be taken for "nothing was done".
  await expect(send(claims)).rejects.toMatchObject({ name: 'Unresolved' });
});

describe('an operation that nobody asks about any more', () => {
  test.each<[string, Mishap, string, number]>([
    ['made, as soon as that is sure', 'answer-lost', 'APPLIED', 28_000],
    ['not made, once its time is over', 'never-arrives', 'EXPIRED', 328_000],
  ])('is settled by the agent itself: %s', async (_what, mishap, code, afterMs) => {
    const claims = await rig.claims({ objectGuid: ann });
    await crashDuring(claims, mishap);
    clock.advance(afterMs - 2_000);
    await rig.commander.settleLeftOvers();
    expect(rig.journal.open).toBe(1);

    clock.advance(2_000);
    await rig.commander.settleLeftOvers();
    expect(rig.journal.open).toBe(0);
    const answer = await rig.journal.outcomeOf(claims.cmd);
    expect((await rig.verify(answer)).outcome.code).toBe(code);
    expect(rig.unasked).toEqual([rig.journal.seq]);
    expect(domain.written).toHaveLength(code === 'APPLIED' ? 1 : 0);
  });

  test('has one outcome when the service asks for it while that is done', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    await crashDuring(claims, 'answer-lost');
    clock.advance(28_000);
    const settling = rig.commander.settleLeftOvers();
    const asked = await send(claims);
    await settling;
    expect(rig.unasked).toEqual([rig.journal.seq]);
    expect(asked).toEqual(await rig.verify(await rig.journal.outcomeOf(claims.cmd)));
  });

  test('stays open while its own controller does not tell', async () => {
    const claims = await rig.claims({ objectGuid: ann });
    await crashDuring(claims, 'answer-lost');
    clock.advance(340_000);
    domain.silent.add(DC1);
    await rig.commander.settleLeftOvers();
    expect(rig.journal.open).toBe(1);
  });
});
