import { expect, test } from 'vitest';
import { Follower } from '../../../../src/cloud/cluster/follower.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const never = new AbortController().signal;

test('a follower that is woken does not wait', async () => {
  const clock = new FakeClock(0, { autoAdvance: false });
  const follower = new Follower(clock);
  const waiting = follower.wait(2_000, [never]);
  follower.wake();
  await waiting;
  expect(clock.monotonic()).toBe(0);
});

test('what was said while nobody waited counts once', async () => {
  const clock = new FakeClock(0);
  const follower = new Follower(clock);
  follower.wake();
  await follower.wait(2_000, [never]);
  expect(clock.slept).toEqual([]);
  await follower.wait(2_000, [never]);
  expect(clock.slept).toEqual([2_000]);
});

test('a signal ends the wait', async () => {
  const clock = new FakeClock(0, { autoAdvance: false });
  const stop = new AbortController();
  const waiting = new Follower(clock).wait(2_000, [never, stop.signal]);
  stop.abort();
  await waiting;
  expect(clock.sleeping).toBe(0);
});
