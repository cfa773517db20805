/** Remembers ids until they could not be used any more anyway. */
export class ReplayCache {
  readonly #max: number;
  readonly #until = new Map<string, number>();

  constructor(max = 100_000) {
    this.#max = max;
  }

  /** True the first time an id is seen. False for a repeat, and for everything while it is full of live ids. */
  take(id: string, until: number, now: number): boolean {
    const known = this.#until.get(id);
    if (known !== undefined && known > now) return false;
    if (this.#until.size >= this.#max) this.#prune(now);
    if (this.#until.size >= this.#max) return false;
    this.#until.set(id, until);
    return true;
  }

  #prune(now: number): void {
    for (const [id, until] of this.#until) if (until <= now) this.#until.delete(id);
  }
}
