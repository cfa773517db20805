import { settledUsage } from '../benchmark/child.ts';

/** What a process holds once everything that can be let go of is. */
export interface Held {
  /** Bytes resident. */
  readonly rss: number;
  /** Bytes of the JavaScript heap in use. */
  readonly heap: number;
  /** What keeps an event loop alive: sockets, timers, watchers. */
  readonly handles: number;
}

/** Answers `held` of whoever started this process, and runs `stop` when told so or left alone. */
export function measured(stop: () => void): void {
  process.on('message', (question) => {
    if (question === 'held') process.send?.(held());
    if (question === 'stop') stop();
  });
  process.on('disconnect', stop);
}

function held(): Held {
  const { rss } = settledUsage();
  const { heapUsed: heap } = process.memoryUsage();
  return { rss, heap, handles: process.getActiveResourcesInfo().length };
}
