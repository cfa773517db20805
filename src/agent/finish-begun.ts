import { onAbort } from '../support/on-abort.ts';
import type { StopSignals } from '../support/stop-signals.ts';
import type { Commander } from './commands/commander.ts';
import type { Parts } from './parts.ts';

/**
 * From the drain on nothing new is taken. The function that this gives back resolves once everything
 * begun has ended, also what was brought by a session that is gone and waits for nothing any more, or
 * when the time for a drain is over or `stop.abort` aborts.
 */
export function finishBegun(
  commander: Pick<Commander, 'drain'>,
  { config, clock }: Pick<Parts, 'config' | 'clock'>,
  stop: StopSignals,
): () => Promise<void> {
  let drainBy = -Infinity;
  const off = onAbort(stop.drain, () => {
    drainBy = clock.monotonic() + config.drainMs;
    void commander.drain();
  });
  return async () => {
    off();
    const over = new AbortController();
    const leftMs = Math.max(0, drainBy - clock.monotonic());
    const noLonger = clock.sleep(leftMs, AbortSignal.any([stop.abort, over.signal]));
    await Promise.race([commander.drain(), noLonger]);
    over.abort();
  };
}
