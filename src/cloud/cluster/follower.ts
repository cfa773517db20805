import type { Clock } from '../../support/clock.ts';
import { onAbort } from '../../support/on-abort.ts';

/** Without a reason of its own each abort makes an error with a stack, and there is one for every operation. */
const WOKEN = 'woken';

/** Waits for somebody to say that there is something to look at; what is said while nobody waits counts for the next wait. */
export class Follower {
  readonly #clock: Clock;
  #isWoken = false;
  #wake: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#isWoken = true;
    this.#wake?.abort(WOKEN);
  }

  /** Resolves when it was woken, after `ms`, or when one of the signals aborts. */
  async wait(ms: number, signals: readonly AbortSignal[]): Promise<void> {
    const wake = new AbortController();
    this.#wake = wake;
    const offs = signals.map((signal) =>
      onAbort(signal, () => {
        wake.abort(WOKEN);
      }),
    );
    if (!this.#isWoken) await this.#clock.sleep(ms, wake.signal);
    for (const off of offs) off();
    this.#isWoken = false;
  }
}
