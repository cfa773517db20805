import { expect, test } from 'vitest';
import { ownFault, readiness } from '../../../../src/cloud/writeback/readiness.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const NEVER = new AbortController().signal;
const HOUR_MS = 3_600_000;

/** A core whose database answers a ping like this, and whose key set lasts for so long. */
function coreOf(ping: () => Promise<void>, keySetMs = HOUR_MS, autoAdvance = false) {
  const clock = new FakeClock(undefined, { autoAdvance });
  const keys = { keySet: { expiresAt: clock.now() + keySetMs } };
  return { clock, keys, store: { ping } } as unknown as Parameters<typeof readiness>[0] & {
    readonly clock: FakeClock;
  };
}

test('a service whose database answers is ready, and waits for nothing more', async () => {
  const core = coreOf(() => Promise.resolve());
  expect(await readiness(core, NEVER)).toBeUndefined();
  expect(core.clock.sleeping).toBe(0);
});

test('a database that does not answer within 2 s is not there', async () => {
  const core = coreOf(() => new Promise(() => undefined), HOUR_MS, true);
  expect(await readiness(core, NEVER)).toBe(
    'its database does not answer: nothing came within 2 s',
  );
  expect(core.clock.slept).toEqual([2_000]);
});

test('a database that refuses is named with its reason', async () => {
  const core = coreOf(() => Promise.reject(new Error('store: the disk is full')));
  expect(await readiness(core, NEVER)).toBe('its database does not answer: the disk is full');
  expect(core.clock.sleeping).toBe(0);
});

test('that it is stopping, or has no key set any more, comes before what its database says', () => {
  const problem = 'the disk is full';
  const good = coreOf(() => Promise.resolve());
  expect(ownFault(good, AbortSignal.abort(), problem)).toBe('it is stopping');
  const lapsed = coreOf(() => Promise.resolve(), 0);
  expect(ownFault(lapsed, NEVER, problem)).toMatch(/^its key set ended at \S+Z .*keys rotate/);
});
