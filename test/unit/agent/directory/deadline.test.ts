import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { within } from '../../../../src/agent/directory/deadline.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const late = (why: string): Error => new Error(why);

function pending(): FakeClock {
  return new FakeClock(undefined, { autoAdvance: false });
}

test('work that ends in time settles as it does, and leaves nothing behind', async () => {
  const clock = pending();
  const { signal } = new AbortController();
  await expect(within(Promise.resolve(7), { ms: 10, clock, signal }, late)).resolves.toBe(7);
  const failure = within(Promise.reject(new Error('no')), { ms: 10, clock, signal }, late);
  await expect(failure).rejects.toThrow('no');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(clock.sleeping).toBe(0);
});

test('work that takes too long is given up', async () => {
  const clock = pending();
  const { signal } = new AbortController();
  const given = within(new Promise(() => undefined), { ms: 10, clock, signal }, late);
  const seen = expect(given).rejects.toThrow('timeout');
  clock.advance(10);
  await seen;
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('work is given up when the signal aborts, or has aborted already', async () => {
  const clock = pending();
  const stop = new AbortController();
  const limit = { ms: 10, clock, signal: stop.signal };
  const given = within(new Promise(() => undefined), limit, late);
  const seen = expect(given).rejects.toThrow('aborted');
  stop.abort();
  await seen;
  await expect(within(new Promise(() => undefined), limit, late)).rejects.toThrow('aborted');
  expect(clock.sleeping).toBe(0);
});
