import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeRecord } from '../../src/agent/commands/journal-records.ts';
import { Unresolved } from '../../src/agent/commands/outcomes.ts';
import { toFiletime } from '../../src/agent/directory/filetime.ts';
import { sha256, signedHash } from '../../src/protocol/digest.ts';
import { factsOf } from '../../src/protocol/codes.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { CommandRig, type Order } from '../support/command-rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDomain, type Mishap } from '../support/fake-domain.ts';
import { PowerCutDisk, type Fate } from '../support/power-cut-disk.ts';
import { Stepper } from '../support/stepper.ts';

const NEW_PASSWORD = 'Correct-Horse-7';
const NEVER = Number.POSITIVE_INFINITY;

interface Scenario {
  readonly order: Partial<Order>;
  /** What is left of the unsynced when the agent dies with its machine; absent: it dies alone. */
  readonly fate?: Fate;
  readonly metadata: boolean;
  readonly mishap?: Mishap;
}

interface Ended {
  readonly domain: FakeDomain;
  readonly outcome: OutcomeClaims['outcome'];
  /** How many steps the first life had. */
  readonly steps: number;
  readonly died: boolean;
}

/** One operation, asked for until it is answered, by an agent that dies at these steps of its lives. */
async function live(
  { order, metadata, mishap, fate }: Scenario,
  fatal: readonly number[],
): Promise<Ended> {
  const clock = new FakeClock();
  const domain = new FakeDomain({ clock, metadata });
  const locked = order.op === 'unlock';
  const objectGuid = domain.add(
    locked ? { locked, lockoutTime: toFiletime(clock.now() - 60_000) } : {},
  );
  if (mishap !== undefined) domain.befall(mishap);
  const disk = fate && new PowerCutDisk();
  const world = { directory: domain, clock, ...(disk !== undefined && { disk }) };
  let rig = await CommandRig.open(world);
  const claims = await rig.claims({ objectGuid, ...order });
  const lives: Stepper[] = [];
  try {
    for (;;) {
      const stepper = new Stepper(fatal[lives.length] ?? NEVER);
      lives.push(stepper);
      const attached = { domain, clock, ...(disk !== undefined && { disk }) };
      using _attached = stepper.attach(rig, attached);
      const answer = await Promise.race([ask(rig, claims, clock), stepper.died]);
      if (answer !== 'died') {
        await checkChain(rig);
        clock.advance(60_000); // whatever is still on its way arrives
        domain.passwordOf(objectGuid);
        const steps = lives[0]?.steps ?? 0;
        return { domain, outcome: answer.outcome, steps, died: lives.length > 1 };
      }
      await end(rig, disk, fate);
      clock.advance(1_000);
      rig = await CommandRig.open({ ...world, after: rig });
    }
  } finally {
    await rig[Symbol.asyncDispose]();
  }
}

/** Closes what a dead agent had open, or takes its machine's power away. */
async function end(rig: CommandRig, disk?: PowerCutDisk, fate?: Fate): Promise<void> {
  if (disk === undefined || fate === undefined) await rig.stop();
  else await disk.cut(fate);
}

/** As the service does: a new dispatch after each answer that does not end the operation. */
async function ask(
  rig: CommandRig,
  claims: CommandClaims,
  clock: FakeClock,
): Promise<OutcomeClaims> {
  for (;;) {
    const iat = Math.floor(clock.now() / 1000);
    const signedAt = timestamp(clock.now());
    const times = { iat, exp: iat + 60, signedAt, monotonicMs: clock.monotonic() };
    const envelope = { jti: randomUUID(), sid: rig.session.id, ...times };
    const token = await signToken('command', { ...claims, ...envelope }, rig.keys.service);
    const answer = await rig.send(token).catch((error: unknown) => {
      if (error instanceof Unresolved) return undefined;
      throw error;
    });
    if (answer !== undefined && factsOf(answer.outcome.code).redispatch !== true) return answer;
    clock.advance(1_000);
  }
}

async function checkChain(rig: CommandRig): Promise<void> {
  const text = await readFile(join(rig.folder, 'journal.jsonl'), 'utf8');
  expect(text).not.toContain(NEW_PASSWORD);
  let previous = sha256(rig.journal.epoch);
  let seq = 0;
  for (const line of text.trimEnd().split('\n')) {
    const record = decodeRecord(line);
    expect(record).toBeDefined();
    if (record?.type !== 'outcome' && record?.type !== 'refusal') continue;
    seq += 1;
    expect((await rig.verify(record.jws)).chain).toMatchObject({ seq, previous });
    previous = signedHash(record.jws);
  }
  expect([rig.journal.seq, rig.journal.head, rig.journal.open]).toEqual([seq, previous, 0]);
}

function expectOneEffect({ domain, outcome }: Ended, order: Partial<Order>): void {
  expect(outcome.code).toBe('APPLIED');
  if (order.op === 'unlock') {
    expect(domain.unlocks).toBe(1);
    return;
  }
  const writes = domain.written.length;
  expect(writes).toBe(outcome.reapplied === true ? 2 : 1);
  expect(new Set(domain.written.map(({ password }) => password))).toEqual(new Set([NEW_PASSWORD]));
}

/** Every one of them, but only each tenth of the many in which the same question is asked again. */
function stepsOf({ steps }: Ended, first = 13): readonly number[] {
  const all = Array.from({ length: steps }, (_, index) => index + 1);
  return all.filter((step) => step <= first || step > steps - 6 || step % 10 === 0);
}

const ORDERS: [string, Partial<Order>][] = [
  ['a reset', {}],
  ['a reset with must-change', { claims: { mustChange: true } }],
  ['a change', { op: 'change', oldPassword: 'Old-Password-1' }],
  ['an unlock', { op: 'unlock' }],
];

const MISHAPS: [string, { mishap?: Mishap }][] = [
  ['answered', {}],
  ['whose answer was lost', { mishap: 'answer-lost' }],
  ['carried out late', { mishap: { lateByMs: 3_000 } }],
  ['that never arrived', { mishap: 'never-arrives' }],
];

describe.each([
  ['with replication metadata', true, ORDERS],
  ['without', false, ORDERS.slice(0, 2)],
] as const)('%s', (_what, metadata, orders) => {
  describe.each(MISHAPS)('a write %s', (_fate, fate) => {
    test.each(orders)(
      '%s takes effect once, whichever step is the agent’s last',
      async (_op, order) => {
        const scenario = { order, metadata, ...fate };
        const whole = await live(scenario, []);
        expectOneEffect(whole, order);
        expect(whole.steps).toBeGreaterThanOrEqual(9);
        for (const fatal of stepsOf(whole)) {
          const ended = await live(scenario, [fatal]);
          expect(ended.died).toBe(true);
          expectOneEffect(ended, order);
        }
      },
    );
  });
});

const FATES: [string, Fate][] = [
  ['nothing', { bytes: 'lost', names: 'lost' }],
  ['half', { bytes: 'torn', names: 'lost' }],
  ['all', { bytes: 'kept', names: 'kept' }],
];

describe.each(FATES)('when a power cut leaves %s of what was not synced,', (_left, fate) => {
  describe.each(MISHAPS)('a write %s', (_what, mishap) => {
    test.each([ORDERS[0], ORDERS[3]] as typeof ORDERS)(
      '%s takes effect once, whichever step is the machine’s last',
      async (_op, order) => {
        const scenario = { order, metadata: true, fate, ...mishap };
        const whole = await live(scenario, []);
        expectOneEffect(whole, order);
        expect(whole.steps).toBeGreaterThanOrEqual(17); // four and four of them on the disk
        for (const fatal of stepsOf(whole, 21)) {
          const ended = await live(scenario, [fatal]);
          expect(ended.died).toBe(true);
          expectOneEffect(ended, order);
        }
      },
    );
  });
});

test('an agent that dies again while it finds out what it did before ends in the same one effect', async () => {
  const scenario: Scenario = { order: {}, metadata: true, mishap: { lateByMs: 3_000 } };
  for (let first = 5; first <= 10; first += 1) {
    for (let second = 1; second <= 12; second += 2) {
      expectOneEffect(await live(scenario, [first, second]), {});
    }
  }
});
