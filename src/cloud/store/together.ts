import { setImmediate as nextTurn } from 'node:timers/promises';

/** So much is done at one time at the most. */
const MAX_TOGETHER = 64;

/** Whoever waits does not wait for longer than this for what was begun before. */
const PATIENCE_MS = 100;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Does together what is asked for while the same is under way already: one statement, one transaction,
 * one wait for the disk for all of it. Alone, nothing waits.
 */
export class Together<Item, Result> {
  readonly #doAll: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #gatheringTurns: number;
  #waiting: Waiting<Item, Result>[] = [];
  /** What the next one waits for. */
  #underWay: object | undefined;

  /**
   * `doAll` resolves with the results in the order of the items. Others are waited for so many turns of
   * the event loop: without load they take no time; under load one is as long as what waits to be done,
   * and brings more of it.
   */
  constructor(
    doAll: (items: readonly Item[]) => Promise<readonly Result[]>,
    { gatheringTurns = 1 }: { readonly gatheringTurns?: number } = {},
  ) {
    this.#doAll = doAll;
    this.#gatheringTurns = gatheringTurns;
  }

  /** What fails for all is done again one by one, so that nobody fails because of somebody else. */
  run(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#underWay === undefined) this.#begin();
    });
  }

  #begin(): void {
    if (this.#waiting.length === 0) {
      this.#underWay = undefined;
      return;
    }
    const own = {};
    this.#underWay = own;
    const next = (): void => {
      if (this.#underWay === own) this.#begin();
    };
    const patience = setTimeout(next, PATIENCE_MS);
    void this.#next().finally(() => {
      clearTimeout(patience);
      next();
    });
  }

  async #next(): Promise<void> {
    // At the least, whatever is asked for in this very turn goes along.
    for (let turn = 0; turn < this.#gatheringTurns; turn += 1) await nextTurn();
    await this.#do(this.#waiting.splice(0, MAX_TOGETHER));
  }

  async #do(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#doAll(group.map(({ item }) => item));
      for (const [at, { resolve }] of group.entries()) resolve(results[at] as Result); // as many as there are items
    } catch (error) {
      if (group.length > 1) await Promise.all(group.map((one) => this.#do([one])));
      else for (const { reject } of group) reject(error);
    }
  }
}
