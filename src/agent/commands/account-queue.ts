import { onAbort } from '../../support/on-abort.ts';
import { withDeadline } from '../../support/with-deadline.ts';

/** For work that is of no use when its turn comes too late. */
export interface Patience<T> {
  readonly ms: number;
  /** Ends the wait as well. */
  readonly signal: AbortSignal;
  /** Runs in the place of the work, and without a turn, when the wait is over. */
  readonly late: () => Promise<T>;
}

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
  run<T>(account: string, work: () => Promise<T>, patience?: Patience<T>): Promise<T> {
    this.#size++;
    const before = this.#tails.get(account);
    const result = inTurn(before, work, patience).finally(() => {
      this.#leave();
    });
    // Whoever was not patient must not be overtaken by the next in line.
    const tail = Promise.allSettled([before, result]).then(() => {
      if (this.#tails.get(account) === tail) this.#tails.delete(account);
    });
    this.#tails.set(account, tail);
    return result;
  }

  /** Resolves once nothing is queued or running. */
  idle(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #leave(): void {
    this.#size--;
    if (this.#size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

async function inTurn<T>(
  before: Promise<unknown> | undefined,
  work: () => Promise<T>,
  patience: Patience<T> | undefined,
): Promise<T> {
  if (before === undefined || patience === undefined) {
    await before;
    return work();
  }
  const { ms, signal, late } = patience;
  return (await comesWithin(before, ms, signal)) ? work() : late();
}

/** Whether a turn comes in that time. The turn before never rejects. */
function comesWithin(turn: Promise<unknown>, ms: number, signal: AbortSignal): Promise<boolean> {
  return withDeadline(ms, signal, (within) => {
    const over = new Promise<false>((resolve) => {
      onAbort(within, () => {
        resolve(false);
      });
    });
    return Promise.race([turn.then(() => true), over]);
  });
}
