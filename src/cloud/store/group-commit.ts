import type { Store } from './store.ts';
import { Together } from './together.ts';

/** It is nobody's hurry that such work is for, and each transaction is a wait for the disk. */
const GATHERING_TURNS = 4;

/** What is done in a transaction; it may run twice, so all it does must be in that store. */
export type Work = (store: Store) => Promise<void>;

export type GroupCommit = Together<Work, void>;

/** Lets work that comes at about the same time share a transaction, and so one wait for the disk. */
export function groupCommit(store: Pick<Store, 'atomically'>): GroupCommit {
  return new Together(
    (works) =>
      store.atomically(async (inside) => {
        const done: void[] = [];
        for (const work of works) done.push(await work(inside));
        return done;
      }),
    { gatheringTurns: GATHERING_TURNS },
  );
}
