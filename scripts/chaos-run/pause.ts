import type { Clock } from '../../src/support/clock.ts';

/** Sleeps to the end: what was broken has to be made whole again, whatever happens meanwhile. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return clock.sleep(ms, new AbortController().signal);
}
