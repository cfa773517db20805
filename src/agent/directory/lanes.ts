/** Runs what has the same key one after the other, in the order it came. */
export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Settles as `work` does, once everything before it in the lane has settled. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(work, work);
    this.#tails.set(key, result);
    const forget = (): void => {
      if (this.#tails.get(key) === result) this.#tails.delete(key);
    };
    result.then(forget, forget);
    return result;
  }
}
