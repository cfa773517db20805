import { expect, test } from 'vitest';
import { Turns } from '../../../../src/cloud/writeback/turns.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const NEVER = new AbortController().signal;
const clock = new FakeClock(0, { autoAdvance: false });
const turns = new Turns(clock);
const notAfter = 300_000;
let accounts = 0;

function onOneAccount(): [first: Operation, second: Operation] {
  const account = { directory: 'corp', objectGuid: `account-${accounts++}`, notAfter };
  return [
    { ...account, id: 'first' },
    { ...account, id: 'second' },
  ];
}

type Operation = Parameters<Turns['take']>[0];

test('what was never handed over leaves the turn to the next operation', () => {
  const [first, second] = onOneAccount();
  {
    using turn = turns.take(first);
    expect(turn).toBeDefined();
    expect(turns.take(first)).toBeUndefined();
    expect(turns.take(second)).toBeUndefined();
  }
  expect(turns.take(second)).toBeDefined();
});

test('what was handed over keeps the turn until it is released', async () => {
  const [first, second] = onOneAccount();
  {
    using turn = turns.take(first);
    turn?.keep();
  }
  expect(turns.take(second)).toBeUndefined();
  {
    using again = turns.take(first);
    expect(again).toBeDefined();
  }
  expect(turns.take(second)).toBeUndefined();
  const waiting = turns.wait(second, NEVER);
  turns.release(second);
  expect(turns.take(second)).toBeUndefined();
  turns.release(first);
  await waiting;
  expect(turns.take(second)).toBeDefined();
});

test('what an agent may have already comes before what is only about to begin', () => {
  const [first, second] = onOneAccount();
  {
    using turn = turns.take(second);
    expect(turn).toBeDefined();
    turns.reserve(first);
    expect(turns.take(second)).toBeUndefined();
  }
  expect(turns.take(second)).toBeUndefined();
  turns.release(first);
  {
    using turn = turns.take(second);
    turn?.keep();
  }
  turns.reserve(first);
  expect(turns.take(first)).toBeUndefined();
});

test('a turn that nobody releases is over when no agent can write for it any more', () => {
  const [first, second] = onOneAccount();
  {
    using turn = turns.take(first);
    turn?.keep();
  }
  clock.advance(notAfter + 30_000 - clock.now());
  expect(turns.take(second)).toBeUndefined();
  clock.advance(1);
  expect(turns.take(second)).toBeDefined();
});
