import type { AccountOf, Store } from '../store/store.ts';
import { nodesOf } from './cluster-relay.ts';
import { whoRuns } from './who-runs.ts';

export interface TakeOver {
  readonly store: Store;
  /** Operations that no node runs any more. */
  readonly orphans: readonly (AccountOf & { readonly id: string })[];
  readonly own: string;
  readonly now: number;
}

export interface Taken {
  /** Operations that this node runs from now on. */
  readonly own: readonly string[];
  readonly elsewhere: readonly { readonly id: string; readonly runner: string }[];
}

/**
 * Gives operations whose node has ended to nodes that live: account by account, so that all of one
 * account go to the same. Several nodes may do this at one time.
 */
export async function takeOverOrphans({ store, orphans, own, now }: TakeOver): Promise<Taken> {
  const accounts = new Map(orphans.map((each) => [`${each.directory}/${each.objectGuid}`, each]));
  const taken = { own: [] as string[], elsewhere: [] as { id: string; runner: string }[] };
  for (const account of accounts.values()) {
    const decision = await store.atomically(async (inside) => {
      const { runners } = nodesOf(inside);
      if (!(await runners.take(own, [account]))) return undefined;
      // Read anew: another node may have been faster.
      const decided = whoRuns(own, await runners.unfinished([account]));
      await runners.assign(decided.orphans, decided.runner, now);
      return decided;
    });
    for (const id of decision?.orphans ?? []) {
      if (decision?.runner === own) taken.own.push(id);
      else if (decision !== undefined) taken.elsewhere.push({ id, runner: decision.runner });
    }
  }
  return taken;
}
