/** Counts work that has begun and not ended. */
export class InFlight {
  #count = 0;
  #waiting: (() => void)[] = [];

  /** Gives the same promise back, counted until it settles. */
  add<T>(work: Promise<T>): Promise<T> {
    this.#count += 1;
    const end = (): void => {
      this.#count -= 1;
      if (this.#count > 0) return;
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
    work.then(end, end);
    return work;
  }

  /** Resolves when nothing is under way; at once if nothing is. Never rejects. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
