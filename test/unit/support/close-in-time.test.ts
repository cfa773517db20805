import { expect, test } from 'vitest';
import { closeInTime } from '../../../src/support/close-in-time.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('a log that closes is waited for, and its limit with it', async () => {
  const clock = new FakeClock(0, { autoAdvance: false });
  let isClosed = false;
  await closeInTime({ close: async () => void (isClosed = await Promise.resolve(true)) }, clock);
  expect(isClosed).toBe(true);
  expect(clock.sleeping).toBe(0);
});

test('a log that never closes is given two seconds', async () => {
  const clock = new FakeClock();
  await closeInTime({ close: () => new Promise(() => undefined) }, clock);
  expect(clock.slept).toEqual([2_000]);
});

test('a log that fails to close is left as it is', async () => {
  const clock = new FakeClock(0, { autoAdvance: false });
  const close = (): Promise<never> => Promise.reject(new Error('ENOSPC'));
  await expect(closeInTime({ close }, clock)).resolves.toBeUndefined();
});
