import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Store } from './store.ts';

/** So much work shares one transaction at the most, because nobody else can write meanwhile. */
const MAX_GROUP = 64;

/**
 * Turns of the event loop that others are waited for. Without load they take no time; under load one
 * is as long as what waits to be done, and brings more of it.
 */
const GATHERING_TURNS = 4;

type Work = (store: Store) => Promise<void>;

interface Waiting {
  readonly work: Work;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Lets work that comes at about the same time share a transaction, and so one wait for the disk. */
export class GroupCommit {
  readonly #store: Pick<Store, 'atomically'>;
  readonly #waiting: Waiting[] = [];
  #running = false;

  constructor(store: Pick<Store, 'atomically'>) {
    this.#store = store;
  }

  /**
   * Runs `work` as `Store.atomically` does; it may run twice, so all it does must be in that store.
   * Work of others that fails in the same transaction does not make this fail.
   */
  run(work: Work): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject });
      if (!this.#running) void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      for (let turn = 0; turn < GATHERING_TURNS; turn += 1) await nextTurn();
      await this.#commit(this.#waiting.splice(0, MAX_GROUP));
    }
    this.#running = false;
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      await this.#store.atomically(async (store) => {
        for (const { work } of group) await work(store);
      });
    } catch (error) {
      if (group.length > 1) {
        for (const one of group) await this.#commit([one]);
      } else {
        for (const { reject } of group) reject(error);
      }
      return;
    }
    for (const { resolve } of group) resolve();
  }
}
