import type { DispatchRecord, OperationRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Dispatch } from './dispatch.ts';

/** Which node takes care of an operation. */
export interface Assignment {
  /** Undefined where there is one node only. */
  readonly runner: string | undefined;
  readonly isOwn: boolean;
  /**
   * Operations of the same account that come before it and that nobody cares for yet: their node has
   * ended, and they go with it to the same one.
   */
  readonly before: readonly string[];
}

/** The operation is not this node's (any more), or is over: whoever runs it says what becomes of it. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs';
  readonly code = 'NOT_OURS';
  readonly retryable = false;
}

/**
 * The port: the other nodes of the service, if there are any. What is durable is so before anybody is
 * told of it, and whoever was not told finds it by itself.
 */
export interface Relay {
  /** Inside the transaction that submits operations: says who runs each of them. */
  assign(store: Store, operations: readonly OperationRecord[]): Promise<readonly Assignment[]>;
  /** Tells the node that was assigned. */
  assigned(operation: OperationRecord, assignment: Assignment): void;
  /** Runs `work` in a transaction as the node that runs the operation. Rejects with `NotOurs`. */
  asRunner<T>(operation: OperationRecord, work: (store: Store) => Promise<T>): Promise<T>;
  /** What is stored of a dispatch: with the command, when the session is another node's. */
  toRecord(dispatch: Pick<Dispatch, 'record' | 'session' | 'command'>): Promise<DispatchRecord>;
  /**
   * Waits until the node that has the session has settled a dispatch that is stored, or has lost it.
   * Resolves with the operation if that ended it.
   */
  follow(
    operation: OperationRecord,
    dispatch: Dispatch,
    signal: AbortSignal,
  ): Promise<OperationRecord | undefined>;
  /** Inside the transaction that settles dispatches: all there are, when another node may have added some. */
  dispatches(
    store: Store,
    operations: readonly string[],
  ): Promise<ReadonlyMap<string, readonly DispatchRecord[]> | undefined>;
  /** Tells the other nodes that an operation is no more what it was. */
  announce(operation: string): void;
  /** What an earlier process has left unfinished, for this one to go on with. */
  inherit(): Promise<readonly OperationRecord[]>;
}

/** There is this node only. */
export function soleRelay(store: Store, now: () => number): Relay {
  return {
    assign: (_store, operations) =>
      Promise.resolve(operations.map(() => ({ runner: undefined, isOwn: true, before: [] }))),
    assigned: () => undefined,
    asRunner: (_operation, work) => store.atomically(work),
    toRecord: ({ record }) => Promise.resolve(record),
    follow: ({ id }) => Promise.reject(new TypeError(`follow: ${id} is on no other node`)),
    dispatches: () => Promise.resolve(undefined),
    announce: () => undefined,
    inherit: async () => {
      await store.operations.loseDispatches(now());
      return store.operations.unfinished();
    },
  };
}
