import type { Clock } from '../../src/support/clock.ts';

/** The real clock, with time that a test can leave out. */
export class SkippingClock implements Clock {
  #skipped = 0;
  readonly #sleepers = new Set<() => void>();

  now(): number {
    return Date.now() + this.#skipped;
  }

  monotonic(): number {
    return performance.now() + this.#skipped;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    const until = this.monotonic() + ms;
    while (!signal.aborted && this.monotonic() < until) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          this.#sleepers.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, until - this.monotonic());
        signal.addEventListener('abort', wake);
        this.#sleepers.add(wake);
      });
    }
  }

  /** It is this much later at once; whoever is due wakes up. */
  skip(ms: number): void {
    this.#skipped += ms;
    for (const wake of [...this.#sleepers]) wake();
  }
}
