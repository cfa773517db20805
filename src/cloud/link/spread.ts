import type { Clock } from '../../support/clock.ts';
import type { Store } from '../store/store.ts';

/** What a node of two cores lets in, with room for its callers: ten thousand within a minute. */
export const AGENTS_PER_SECOND = 175;
const COUNT_EVERY_MS = 60_000;

export interface SpreadOptions {
  readonly store: { readonly agents: Pick<Store['agents'], 'count'> };
  readonly clock: Clock;
}

/**
 * Over how long agents are to spread when all of them lose the service at one moment: they cannot
 * know how many they are. Said in every welcome, because a service that was killed says nothing.
 */
export class Spread {
  readonly #options: SpreadOptions;
  #count: Promise<number> | undefined;
  #countedAt = -Infinity;

  constructor(options: SpreadOptions) {
    this.#options = options;
  }

  async ms(): Promise<number> {
    const { store, clock } = this.#options;
    if (this.#count === undefined || clock.monotonic() - this.#countedAt >= COUNT_EVERY_MS) {
      this.#countedAt = clock.monotonic();
      this.#count = store.agents.count().catch((error: unknown) => {
        this.#count = undefined;
        throw error;
      });
    }
    return Math.ceil(((await this.#count) * 1_000) / AGENTS_PER_SECOND);
  }
}
