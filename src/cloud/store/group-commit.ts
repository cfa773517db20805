import type { Store } from './store.ts';
import { Together } from './together.ts';

/** Nobody is in a hurry for such work, and each transaction is a wait for the disk. */
const GATHERING_TURNS = 4;

/** What is done in a transaction; it may run twice, so all it does must be in that store. */
export type Work = (store: Store) => Promise<void>;

export type GroupCommit = Together<Work, undefined>;

/** Lets work that comes at about the same time share a transaction, and so one wait for the disk. */
export function groupCommit(store: Pick<Store, 'atomically'>): GroupCommit {
  return new Together(
    (works) =>
      store.atomically(async (inside) => {
        for (const work of works) await work(inside);
        return works.map(() => undefined);
      }),
    { gatheringTurns: GATHERING_TURNS },
  );
}
