import { settledUsage } from '../benchmark/child.ts';
import type { LeapingClock } from './leaping-calendar.ts';

/** What a process holds once everything that can be let go of is. */
export interface Held {
  /** Bytes resident. */
  readonly rss: number;
  /** Bytes of the JavaScript heap in use. */
  readonly heap: number;
  /** What keeps an event loop alive: sockets, timers, watchers. */
  readonly handles: number;
}

/** What whoever started this process may tell it. */
export type Told = 'held' | 'stop' | { readonly aheadMs: number };

/**
 * Answers `held` of whoever started this process, lets `clock` leap, and runs `stop` when told so or
 * left alone.
 */
export function measured(clock: LeapingClock, stop: () => void): void {
  process.on('message', (told: Told) => {
    if (told === 'held') process.send?.(held());
    else if (told === 'stop') stop();
    else clock.leapTo(told.aheadMs);
  });
  process.on('disconnect', stop);
}

function held(): Held {
  const { rss } = settledUsage();
  const { heapUsed: heap } = process.memoryUsage();
  return { rss, heap, handles: process.getActiveResourcesInfo().length };
}
