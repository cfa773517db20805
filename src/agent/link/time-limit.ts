import type { Clock } from '../../support/clock.ts';
import { onAbort } from '../../support/on-abort.ts';

/** Runs `work` under a signal that aborts with `signal` or after `ms` of the clock's time; leaves no timer behind. */
export async function within<T>(
  ms: number,
  clock: Clock,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const end = (): void => {
    limit.abort(OVER); // the default is an error with a stack, made each time and read by nobody
  };
  const off = onAbort(signal, end);
  void clock.sleep(ms, limit.signal).then(end);
  try {
    return await work(limit.signal);
  } finally {
    end();
    off();
  }
}

const OVER = 'over';

/** What `promise` gives, or undefined once `signal` aborts. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const off = onAbort(signal, () => {
      resolve(undefined);
    });
    promise.then(resolve, reject).finally(off);
  });
}
