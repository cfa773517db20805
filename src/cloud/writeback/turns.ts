/**
 * One dispatch of an account at a time. The agent would only queue a second one, and a command that
 * is not begun in time costs the session.
 */
export class Turns {
  readonly #taken = new Map<string, Promise<void>>();

  /** The account's turn until it is disposed of; undefined while somebody else has it. */
  take(account: string): Disposable | undefined {
    if (this.#taken.has(account)) return undefined;
    let resolve: () => void = () => undefined;
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    this.#taken.set(account, promise);
    return {
      [Symbol.dispose]: () => {
        if (this.#taken.get(account) === promise) this.#taken.delete(account);
        resolve();
      },
    };
  }

  /** Resolves when whoever has the account's turn now has ended it. */
  async ended(account: string): Promise<void> {
    await this.#taken.get(account);
  }
}
