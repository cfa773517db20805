import type { Clock } from '../../support/clock.ts';
import type { ServiceKeys } from '../keys/service-keys.ts';
import type { FollowedDispatch, Nodes } from '../store/nodes.ts';
import type { OperationRecord } from '../store/records.ts';
import { StoreError, type Store } from '../store/store.ts';
import { Together } from '../store/together.ts';
import { NotOurs, type Assignment, type Relay } from '../writeback/relay.ts';
import { commandPurpose } from './command-purpose.ts';
import { Follower } from './follower.ts';
import type { HintKind } from './hints.ts';
import { whoRuns } from './who-runs.ts';

/** No hint comes: then it is looked up this often. */
const LOOK_EVERY_MS = 2_000;

/** The other node gives the agent 45 s, and then says so. */
const FOLLOW_MS = 60_000;

export interface ClusterRelayOptions {
  readonly store: Store;
  readonly keys: () => ServiceKeys;
  readonly clock: Clock;
  readonly own: () => string;
  readonly tell: (kind: HintKind, id: string, node?: string) => void;
}

/** `Relay` over the rows of a database that the nodes share. */
export class ClusterRelay implements Relay {
  readonly #options: ClusterRelayOptions;
  /** Who follows which operation's dispatch. */
  readonly #followers = new Map<string, Follower>();
  readonly #followed: Together<string, FollowedDispatch | undefined>;
  #isCaredFor: (operation: string) => boolean = () => false;

  constructor(options: ClusterRelayOptions) {
    const { relayed } = nodesOf(options.store);
    this.#options = options;
    this.#followed = new Together((jtis) => relayed.follow(jtis));
  }

  /** Says what this process takes care of already. */
  bind(isCaredFor: (operation: string) => boolean): void {
    this.#isCaredFor = isCaredFor;
  }

  assign: Relay['assign'] = async (store, operations) => {
    const { own, clock } = this.#options;
    const { runners } = nodesOf(store);
    const node = own();
    if (!(await runners.take(node, operations))) {
      throw new StoreError('store: this node was taken for dead by another one; try again');
    }
    const unfinished = await runners.unfinished(operations);
    const now = clock.now();
    const assigned: Assignment[] = [];
    for (const { directory, objectGuid } of operations) {
      const ofAccount = unfinished.filter(
        (each) => each.directory === directory && each.objectGuid === objectGuid,
      );
      const { runner, orphans } = whoRuns(node, ofAccount);
      await runners.assign(orphans, runner, now);
      assigned.push(
        runner === node
          ? { runner, isOwn: true, before: this.#notBegun(ofAccount) }
          : { runner, isOwn: false, before: orphans },
      );
    }
    return assigned;
  };

  assigned: Relay['assigned'] = ({ id }, { runner, isOwn, before }) => {
    if (isOwn) return;
    for (const each of [...before, id]) this.#options.tell('run', each, runner);
  };

  asRunner: Relay['asRunner'] = (operation, work) => {
    const { store, own } = this.#options;
    return store.atomically(async (inside) => {
      if (await nodesOf(inside).runners.mayDecide(own(), operation.id)) return work(inside);
      throw new NotOurs(`${operation.id} is over, or another node runs it`);
    });
  };

  toRecord: Relay['toRecord'] = async ({ record, session, command }) => {
    if (session.node === undefined) return record;
    const { storage } = this.#options.keys();
    const wrapped = await storage.wrap(command, commandPurpose(record.jti));
    return { ...record, relay: { node: session.node, command: wrapped } };
  };

  follow: Relay['follow'] = async (operation, dispatch, signal) => {
    const { clock, tell } = this.#options;
    const { record, session } = dispatch;
    const follower = new Follower(clock);
    this.#followers.set(operation.id, follower);
    const until = clock.monotonic() + FOLLOW_MS;
    tell('dispatch', record.jti, session.node);
    try {
      for (;;) {
        await follower.wait(LOOK_EVERY_MS, [signal, session.closed]);
        const isOver = session.closed.aborted || clock.monotonic() >= until;
        const now = await this.#followed.run(record.jti);
        if (now?.record.answeredAt !== undefined) {
          return now.operation.final ? now.operation : undefined;
        }
        if (signal.aborted) return undefined;
        if (now?.record.lostAt === undefined && !isOver) continue;
        // Also when the other node says when: agents are kept apart by the clock of this one.
        await this.#options.store.operations.loseDispatch(record.jti, clock.now());
        return undefined;
      }
    } finally {
      if (this.#followers.get(operation.id) === follower) this.#followers.delete(operation.id);
    }
  };

  dispatches: Relay['dispatches'] = async (store, operations) => {
    await nodesOf(store).runners.hold(operations);
    return store.operations.dispatchesOf(operations);
  };

  announce(operation: string): void {
    this.#options.tell('operation', operation);
  }

  /** Nothing by itself: what nobody runs is found by the sweep. */
  inherit(): Promise<readonly OperationRecord[]> {
    return Promise.resolve([]);
  }

  /** Taken over a moment ago, or left to this node by another one, and not begun here yet. */
  #notBegun(unfinished: readonly { readonly id: string }[]): readonly string[] {
    return unfinished.filter(({ id }) => !this.#isCaredFor(id)).map(({ id }) => id);
  }

  /** Something has become of an operation on another node; false when nobody here follows it. */
  wake(operation: string): boolean {
    const follower = this.#followers.get(operation);
    follower?.wake();
    return follower !== undefined;
  }
}

/** A store of a cluster's has them, in transactions, too. */
export function nodesOf({ nodes }: Store): Nodes {
  if (nodes === undefined) throw new TypeError('nodesOf: this database is for one node');
  return nodes;
}
