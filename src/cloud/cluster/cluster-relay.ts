import type { Clock } from '../../support/clock.ts';
import type { ServiceKeys } from '../keys/service-keys.ts';
import type { Nodes } from '../store/nodes.ts';
import type { DispatchRecord, OperationRecord } from '../store/records.ts';
import { StoreError, type Store } from '../store/store.ts';
import { NotOurs, type Relay } from '../writeback/relay.ts';
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
  #isCaredFor: (operation: string) => boolean = () => false;

  constructor(options: ClusterRelayOptions) {
    this.#options = options;
  }

  /** Says what this process takes care of already. */
  bind(isCaredFor: (operation: string) => boolean): void {
    this.#isCaredFor = isCaredFor;
  }

  assign: Relay['assign'] = async (store, operation) => {
    const { own, clock } = this.#options;
    const { runners } = nodesOf(store);
    const node = own();
    if (!(await runners.take(node, operation))) {
      throw new StoreError('store: this node was taken for dead by another one; try again');
    }
    const unfinished = await runners.unfinished(operation);
    const { runner, orphans } = whoRuns(node, unfinished);
    await runners.assign(orphans, runner, clock.now());
    if (runner !== node) return { runner, isOwn: false, before: orphans };
    // Taken over a moment ago, or left to this node by another one, and not begun here yet.
    const before = unfinished.filter(({ id }) => !this.#isCaredFor(id)).map(({ id }) => id);
    return { runner, isOwn: true, before };
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
        const { operations } = this.#options.store;
        const now = (await operations.dispatches(operation.id)).find(isSame(record));
        if (now?.answeredAt !== undefined) {
          const answered = await operations.find(operation.id);
          return answered?.final === true ? answered : undefined;
        }
        if (signal.aborted) return undefined;
        if (now?.lostAt === undefined && !isOver) continue;
        // Also when the other node says when: agents are kept apart by the clock of this one.
        await operations.loseDispatch(record.jti, clock.now());
        return undefined;
      }
    } finally {
      if (this.#followers.get(operation.id) === follower) this.#followers.delete(operation.id);
    }
  };

  dispatches: Relay['dispatches'] = async (store, operation) => {
    await nodesOf(store).runners.hold(operation);
    return store.operations.dispatches(operation);
  };

  announce(operation: string): void {
    this.#options.tell('operation', operation);
  }

  /** Nothing by itself: what nobody runs is found by the sweep. */
  inherit(): Promise<readonly OperationRecord[]> {
    return Promise.resolve([]);
  }

  /** Something has become of an operation on another node; false when nobody here follows it. */
  wake(operation: string): boolean {
    const follower = this.#followers.get(operation);
    follower?.wake();
    return follower !== undefined;
  }
}

function isSame({ jti }: DispatchRecord): (other: DispatchRecord) => boolean {
  return (other) => other.jti === jti;
}

/** A store of a cluster's has them, in transactions, too. */
export function nodesOf({ nodes }: Store): Nodes {
  if (nodes === undefined) throw new TypeError('nodesOf: this database is for one node');
  return nodes;
}
