import type { Clock } from './clock.ts';

export interface TimeLimit<L> {
  readonly ms: number;
  readonly clock: Pick<Clock, 'sleep'>;
  /** What is had instead of what comes too late; may throw. */
  readonly late: () => L;
}

/** What `promise` settles with, or what `late` gives after so long; leaves no timer behind. */
export async function inTime<T, L>(
  promise: Promise<T>,
  { ms, clock, late }: TimeLimit<L>,
): Promise<T | L> {
  const over = new AbortController();
  try {
    return await Promise.race([promise, clock.sleep(ms, over.signal).then(late)]);
  } finally {
    over.abort();
  }
}
