import type { Clock } from '../../support/clock.ts';

/** A fact that is asked for again when it is old. Callers share one question; a failed one is not kept. */
export class Expiring<T> {
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  #current: { readonly value: Promise<T>; readonly until: number } | undefined;

  constructor(maxAgeMs: number, clock: Clock) {
    this.#maxAgeMs = maxAgeMs;
    this.#clock = clock;
  }

  /** The fact, from `load` when there is none that is young enough. Rejects as `load` does. */
  get(load: () => Promise<T>): Promise<T> {
    const now = this.#clock.monotonic();
    if (this.#current !== undefined && now < this.#current.until) return this.#current.value;
    const current = { value: load(), until: now + this.#maxAgeMs };
    this.#current = current;
    current.value.catch(() => {
      if (this.#current === current) this.#current = undefined;
    });
    return current.value;
  }

  forget(): void {
    this.#current = undefined;
  }
}
