import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

/**
 * Asks `probe` until it neither throws, nor rejects, nor gives `false`, and resolves with what it
 * gave. Rejects after `limitMs` with what it said last. For real sockets and processes only.
 */
export async function eventually<T>(probe: () => T | Promise<T>, limitMs = 5_000): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    let last: unknown = new Error(`not true after ${limitMs} ms`);
    try {
      const answer = await probe();
      if (answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw last;
    await delay(POLL_MS);
  }
}
