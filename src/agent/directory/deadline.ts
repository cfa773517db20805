import { setMaxListeners } from 'node:events';
import type { Clock } from '../../support/clock.ts';

export interface Limit {
  readonly ms: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

// A reason spares the making of an error that nobody sees.
const OVER = 'over';

/** Why a limit ended what it limited. */
export type Late = 'timeout' | 'aborted';

/**
 * Settles as `work` does, but at the latest when the time is over or the signal aborts: then it
 * rejects with what `late` makes. `work` itself goes on, and nobody hears of it any more.
 */
export function within<T>(
  work: Promise<T>,
  { ms, clock, signal }: Limit,
  late: (why: Late) => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = new AbortController();
    const onAbort = (): void => {
      end();
      reject(late('aborted'));
    };
    const end = (): void => {
      timer.abort(OVER);
      signal.removeEventListener('abort', onAbort);
    };
    work.then(resolve, reject).finally(end);
    if (signal.aborted) {
      onAbort();
      return;
    }
    // One signal ends any number of calls; Node would warn at the eleventh.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', onAbort);
    void clock.sleep(Math.max(0, ms), timer.signal).then(() => {
      if (timer.signal.aborted) return;
      end();
      reject(late('timeout'));
    });
  });
}
