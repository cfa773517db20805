import { setTimeout as delay } from 'node:timers/promises';

/** Time, as a dependency, so that tests can own it. */
export interface Clock {
  /** Milliseconds since the epoch on this machine's own clock; may jump. */
  now(): number;
  /** Milliseconds on a clock that never goes backwards; only differences mean something. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
};
