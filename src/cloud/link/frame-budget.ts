import type { Clock } from '../../support/clock.ts';

/** Far more than an honest agent sends at full load, far less than would keep a core busy. */
const FRAMES_PER_WINDOW = 20_000;
const WINDOW_MS = 10_000;

/** Statements are verified and written down, so far fewer of them do; an honest agent makes a few a minute. */
export const STATEMENTS_PER_WINDOW = 100;

/** Bounds how many frames one session may send. */
export class FrameBudget {
  readonly #clock: Clock;
  readonly #max: number;
  #windowStart: number;
  #used = 0;

  constructor(clock: Clock, max = FRAMES_PER_WINDOW) {
    this.#clock = clock;
    this.#max = max;
    this.#windowStart = clock.monotonic();
  }

  /** False once there are too many in too short a time. */
  take(): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now;
      this.#used = 0;
    }
    this.#used += 1;
    return this.#used <= this.#max;
  }
}
