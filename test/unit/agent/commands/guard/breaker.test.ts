import { beforeEach, expect, test } from 'vitest';
import { Breaker } from '../../../../../src/agent/commands/guard/breaker.ts';
import type { Trip } from '../../../../../src/agent/commands/guard/breaker-file.ts';
import type { EarlierOperation } from '../../../../../src/agent/commands/guard/limits.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';
import { MemoryLog } from '../../../../support/memory-log.ts';

const START = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;

let clock: FakeClock;
let log: MemoryLog;
let kept: readonly Trip[];
let made = 0;

beforeEach(() => {
  clock = new FakeClock(START);
  log = new MemoryLog();
  kept = [];
});

function breaker(settings: Partial<Record<'perActor' | 'overall', number>>): Breaker {
  return new Breaker({
    settings: { windowMinutes: 10, perActor: 1_000, overall: 1_001, ...settings },
    trips: kept,
    save: async (trips) => {
      kept = trips;
    },
    uuid: () => `trip-${(made += 1)}`,
    clock,
    log,
  });
}

/** So many operations of an actor that end so. */
function work(
  on: Breaker,
  times: number,
  actor = 'desk',
  code: 'APPLIED' | 'OUT_OF_SCOPE' = 'APPLIED',
): void {
  for (let i = 0; i < times; i++) {
    const cmd = `cmd-${(made += 1)}`;
    on.taken(cmd, actor);
    on.ended(cmd, code);
  }
}

function earlier(facts: Partial<EarlierOperation> = {}): EarlierOperation {
  const cmd = `cmd-${(made += 1)}`;
  return {
    cmd,
    objectGuid: 'ann',
    op: 'reset',
    by: 'admin',
    actor: 'desk',
    at: START,
    code: 'APPLIED',
    ...facts,
  };
}

test('one actor is stopped with one operation more than the number, and nobody else is', () => {
  const tripped = breaker({ perActor: 3 });
  work(tripped, 3);
  expect(tripped.stops('desk')).toBe(false);
  work(tripped, 1);
  expect([tripped.stops('desk'), tripped.stops('other')]).toEqual([true, false]);
  expect([tripped.open, tripped.stoppedActors]).toEqual([undefined, 1]);
  expect(log.of('breaker.tripped')).toEqual([
    expect.objectContaining({
      level: 'error',
      fields: expect.objectContaining({
        actor: 'desk',
        count: 4,
        action: expect.stringContaining('passback resume --breaker') as string,
      }) as object,
    }),
  ]);
});

test('what is refused stops its actor and never everybody', () => {
  const tripped = breaker({ perActor: 2, overall: 4 });
  for (const actor of ['one', 'two', 'three', 'four']) work(tripped, 3, actor, 'OUT_OF_SCOPE');
  expect([tripped.open, tripped.stoppedActors]).toEqual([undefined, 4]);
});

test('everything is stopped by successful writes of many', () => {
  const tripped = breaker({ overall: 3 });
  for (const actor of ['one', 'two']) work(tripped, 1, actor);
  expect(tripped.stops('anybody')).toBe(false);
  work(tripped, 1, 'three');
  expect(tripped.stops('anybody')).toBe(true);
  expect(tripped.stoppedActors).toBe(0);
  expect(tripped.open).toMatchObject({ count: 3, at: '2030-01-01T00:00:00.000Z' });
  expect(log.of('breaker.tripped')).toHaveLength(1);
  expect(log.of('breaker.tripped')[0]?.fields).not.toHaveProperty('actor');
});

test('what is spread over more than the window stops nobody', () => {
  const tripped = breaker({ perActor: 3, overall: 4 });
  for (let i = 0; i < 20; i++) {
    work(tripped, 1);
    clock.advance(5 * MINUTE);
  }
  expect(tripped.stops('desk')).toBe(false);
});

test('what is spread over less than the window counts together, also what was before a restart', () => {
  const tripped = breaker({ perActor: 3 });
  tripped.restore([earlier({ at: START - 4 * MINUTE }), earlier({ at: START - 2 * MINUTE })]);
  work(tripped, 1);
  clock.advance(5 * MINUTE);
  work(tripped, 1);
  expect(tripped.stops('desk')).toBe(true);
});

test('what was before a restart leaves the window when it would have without one', () => {
  const tripped = breaker({ perActor: 2 });
  tripped.restore([earlier({ at: START - 8 * MINUTE }), earlier({ at: START - 8 * MINUTE })]);
  clock.advance(3 * MINUTE);
  work(tripped, 2);
  expect(tripped.stops('desk')).toBe(false);
});

test('stopped, it keeps the trip that a person is told to look at', async () => {
  const tripped = breaker({ perActor: 1 });
  work(tripped, 2);
  await tripped.saved();
  const [first] = kept;
  work(tripped, 3);
  await tripped.saved();
  expect(kept).toEqual([first]);
  expect(log.of('breaker.tripped')).toHaveLength(1);
});

test('a repeat of one operation counts once', () => {
  const tripped = breaker({ perActor: 1, overall: 2 });
  for (let i = 0; i < 5; i++) {
    tripped.taken('same', 'desk');
    tripped.ended('same', 'APPLIED');
  }
  expect(tripped.stops('desk')).toBe(false);
});

test('it stays open for as long as nobody resumes it, and over a restart', async () => {
  const tripped = breaker({ perActor: 1, overall: 3 });
  work(tripped, 2);
  work(tripped, 1, 'other');
  await tripped.saved();
  clock.advance(1_000 * MINUTE);
  expect([tripped.stops('desk'), tripped.stops('anybody')]).toEqual([true, true]);
  const restarted = breaker({ perActor: 1, overall: 3 });
  expect([restarted.stops('desk'), restarted.stops('anybody')]).toEqual([true, true]);
  expect(restarted.open).toEqual(tripped.open);
});

test('resumed, it counts anew, and stays closed over a restart', async () => {
  const tripped = breaker({ perActor: 1, overall: 4 });
  work(tripped, 2);
  work(tripped, 2, 'other');
  tripped.reset(await tripped.saved().then(() => kept.map(({ id }) => id)));
  expect([tripped.stoppedActors, tripped.open]).toEqual([0, undefined]);
  expect(log.of('breaker.reset')).toHaveLength(3);
  await tripped.saved();
  expect(kept).toEqual([]);
  work(tripped, 1);
  expect(tripped.stops('desk')).toBe(false);
  work(tripped, 1);
  expect([tripped.stops('desk'), tripped.stops('other')]).toEqual([true, false]);
});

test('a trip that nobody has looked into is not closed by an older resume', async () => {
  const tripped = breaker({ perActor: 1 });
  work(tripped, 2);
  await tripped.saved();
  const [first] = kept;
  tripped.reset([first?.id ?? '']);
  work(tripped, 2);
  tripped.reset([first?.id ?? '']);
  expect(tripped.stops('desk')).toBe(true);
});

test('a crash before the trip was on the disk does not lose it', () => {
  const restarted = breaker({ perActor: 2, overall: 5 });
  restarted.restore([earlier(), earlier(), earlier({ code: 'WRONG_PASSWORD' })]);
  expect([restarted.stops('desk'), restarted.open]).toEqual([true, undefined]);
  restarted.restore([earlier({ actor: 'a' }), earlier({ actor: 'b' }), earlier({ actor: 'c' })]);
  expect(restarted.open).toBeDefined();
});

test('what was done before the window does not count after a restart', () => {
  const restarted = breaker({ perActor: 1 });
  restarted.restore([earlier({ at: START - 10 * MINUTE }), earlier({ at: START - 9 * MINUTE })]);
  expect(restarted.stops('desk')).toBe(false);
});

test('a state that cannot be kept is an alarm, and holds all the same', async () => {
  const tripped = new Breaker({
    settings: { windowMinutes: 10, perActor: 1, overall: 9 },
    trips: [],
    save: () => Promise.reject(new Error('ENOSPC')),
    uuid: () => 'trip',
    clock,
    log,
  });
  work(tripped, 2);
  await tripped.saved();
  expect(log.of('breaker.not_kept')[0]).toMatchObject({
    level: 'error',
    fields: { reason: 'ENOSPC' },
  });
  expect(tripped.stops('desk')).toBe(true);
});
