import type { Clock } from '../../src/support/clock.ts';

interface Sleeper {
  readonly until: number;
  wake(): void;
}

/**
 * Time that moves only when a test says so: by `advance`, or by each sleep itself when made with
 * `autoAdvance` (the default), so that a schedule is asserted on `slept` and never waited for.
 */
export class FakeClock implements Clock {
  /** Every sleep asked for, in order. */
  readonly slept: number[] = [];
  readonly #autoAdvance: boolean;
  #now: number;
  #monotonic = 0;
  #sleepers: Sleeper[] = [];

  constructor(now = Date.UTC(2030, 0, 1), options: { readonly autoAdvance?: boolean } = {}) {
    this.#now = now;
    this.#autoAdvance = options.autoAdvance ?? true;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** How many sleeps are under way. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Resolves at once after moving time, or, without `autoAdvance`, when `advance` gets there. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.slept.push(ms);
    if (this.#autoAdvance) {
      this.advance(ms);
      return;
    }
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const sleeper = { until: this.#monotonic + ms, wake: end };
      this.#sleepers.push(sleeper);
      signal.addEventListener('abort', end);
    });
  }

  /** Moves both clocks forward and wakes, in order of their time, whoever is due. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
    const due = this.#sleepers.filter(({ until }) => until <= this.#monotonic);
    for (const sleeper of due.sort((a, b) => a.until - b.until)) sleeper.wake();
  }

  /** Sets the wall clock, as an administrator or NTP would; the monotonic one does not notice. */
  setNow(epochMs: number): void {
    this.#now = epochMs;
  }
}
