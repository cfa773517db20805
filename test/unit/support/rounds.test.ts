import { beforeEach, expect, test } from 'vitest';
import { ROUNDS, Rounds } from '../../../src/support/rounds.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const LIMIT_MS = ROUNDS['the sweep'];

let clock: FakeClock;
let rounds: Rounds;

beforeEach(() => {
  clock = new FakeClock(undefined, { autoAdvance: false });
  rounds = new Rounds(clock);
});

/** Time that the process sees pass, as it does while its event loop turns. */
function pass(ms: number): readonly string[] {
  let stuck: readonly string[] = [];
  for (let passed = 0; passed < ms; passed += 5_000) {
    clock.advance(Math.min(5_000, ms - passed));
    stuck = rounds.stuck;
  }
  return stuck;
}

test('a round that comes again in time is never stuck, one that hangs is said with its time', () => {
  using round = rounds.begin('the sweep');
  for (let hour = 0; hour < 24; hour += 1) {
    pass(LIMIT_MS);
    round.turned();
  }
  expect(rounds.stuck).toEqual([]);
  pass(LIMIT_MS + 1_000);
  expect(rounds.stuck).toEqual(['the sweep has not come round for 601 s']);
  round.turned();
  expect(rounds.stuck).toEqual([]);
});

test('one that waits on purpose has until then, and its time besides', () => {
  using round = rounds.begin('a step of an operation');
  round.waits(3600_000);
  pass(3600_000 + ROUNDS['a step of an operation']);
  expect(rounds.stuck).toEqual([]);
  pass(1_000);
  expect(rounds.stuck).toHaveLength(1);
});

test('one that has ended is waited for no more, and of many with one name the worst is told', () => {
  const first = rounds.begin('a step of an operation');
  pass(60_000);
  using _ = rounds.begin('a step of an operation');
  pass(ROUNDS['a step of an operation']);
  expect(rounds.stuck).toEqual(['a step of an operation has not come round for 660 s']);
  first[Symbol.dispose]();
  expect(rounds.stuck).toEqual([]);
});

test('after a machine was asleep all have their time anew', () => {
  using _ = rounds.begin('the sweep');
  clock.advance(8 * 3600_000);
  expect(rounds.stuck).toEqual([]);
  pass(LIMIT_MS + 1_000);
  expect(rounds.stuck).toHaveLength(1);
});
