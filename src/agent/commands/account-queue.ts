/** Runs work one at a time per account, and only so much at once; what does not fit is turned away. */
export class AccountQueue {
  readonly #limit: number;
  readonly #tails = new Map<string, Promise<unknown>>();
  #size = 0;
  #idle: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size >= this.#limit;
  }

  /** Runs `work` after everything that was queued for the same account; settles as it does. */
  run<T>(account: string, work: () => Promise<T>): Promise<T> {
    this.#size++;
    const before = this.#tails.get(account) ?? Promise.resolve();
    const result = before.then(work).finally(() => {
      this.#leave(account, tail);
    });
    const tail = result.then(
      () => undefined,
      () => undefined, // whoever queued it hears of it; the next in line must not
    );
    this.#tails.set(account, tail);
    return result;
  }

  /** Resolves once nothing is queued or running. */
  idle(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #leave(account: string, tail: Promise<unknown>): void {
    this.#size--;
    if (this.#tails.get(account) === tail) this.#tails.delete(account);
    if (this.#size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
