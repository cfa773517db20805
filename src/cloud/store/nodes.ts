import type { PublicKey } from '../../protocol/keys.ts';
import type { DispatchRecord, OperationRecord } from './records.ts';
import type { AccountOf } from './store.ts';

/** A process of the service that shares the database with others. Moments are the database's. */
export interface NodeRecord {
  readonly id: string;
  /** Its monotonic clock when it last gave a sign of life. */
  readonly monotonicMs: number;
  /** Whether that is too long ago. */
  readonly isLate: boolean;
}

/** An agent's session as the node that has its socket tells the others. */
export interface SessionRecord {
  readonly agent: string;
  readonly directory: string;
  readonly node: string;
  readonly session: string;
  readonly approved: boolean;
  readonly healthy: boolean;
  /** The agent's monotonic clock minus that node's, at the least. */
  readonly aheadMs: number;
}

/** As it is stored: every change has a higher epoch. */
export interface StoredSession extends SessionRecord {
  readonly epoch: number;
  readonly deviceKey: PublicKey;
}

/** How many rows there are, and the sum of their epochs: different whenever any of them is. */
export interface Fingerprint {
  readonly count: number;
  readonly sum: number;
}

/** A question of one node to another. */
export interface NodeCall {
  readonly id: string;
  readonly node: string;
  readonly caller: string;
  readonly body: string;
}

/** An operation that is not over, and who runs it. */
export interface RunnerOf extends AccountOf {
  readonly id: string;
  /** Undefined when that node has ended, or there never was one. */
  readonly runner: string | undefined;
}

export interface NodeTable {
  join(id: string, monotonicMs: number): Promise<void>;
  /** A sign of life; false when the node was ended by another one. */
  beat(id: string, monotonicMs: number): Promise<boolean>;
  /** Whoever has not ended. */
  list(leaseMs: number): Promise<readonly NodeRecord[]>;
  /** Ends nodes; whoever is inside a transaction as one of them is waited for. Resolves with those that had not ended. */
  end(ids: readonly string[]): Promise<readonly string[]>;
  /** Deletes what nobody asks for any more. */
  forget(): Promise<void>;
}

/** To be called inside transactions. */
export interface Runners {
  /**
   * Takes the accounts for this transaction, and keeps others from ending the node until its end;
   * false when it has been ended.
   */
  take(node: string, accounts: readonly AccountOf[]): Promise<boolean>;
  /** Submitted operations of these accounts that are not final, oldest first. */
  unfinished(accounts: readonly AccountOf[]): Promise<readonly RunnerOf[]>;
  /** Gives operations to a node. What is open of their dispatches was lost with the node before. */
  assign(operations: readonly string[], node: string, at: number): Promise<void>;
  /**
   * Whether the node has not ended and runs the operation, which is not final; holds both, and every
   * other decision on the operation, until the end of the transaction.
   */
  mayDecide(node: string, operation: string): Promise<boolean>;
  /** Holds every other decision on the operations until the end of the transaction. */
  hold(operations: readonly string[]): Promise<void>;
}

export interface RunnerLists {
  /** Submitted operations that are not final and that a node runs. */
  of(node: string): Promise<readonly string[]>;
  /** Those that no node runs any more, and their accounts. */
  orphans(): Promise<readonly (AccountOf & { readonly id: string })[]>;
  /** What has no answer was lost now, whatever was written down before. */
  loseAgain(operations: readonly string[], at: number): Promise<void>;
  /** Those of these that are not pending any more. */
  decided(ids: readonly string[]): Promise<readonly OperationRecord[]>;
}

export interface RelayedDispatch {
  readonly operation: OperationRecord;
  readonly record: DispatchRecord;
  readonly command: string;
  /** The other dispatches of the operation, oldest first. */
  readonly others: readonly DispatchRecord[];
}

/** A dispatch and its operation as they are now. */
export type FollowedDispatch = Pick<RelayedDispatch, 'operation' | 'record'>;

export interface Relayed {
  /** What was handed to a session of this node, and is neither answered nor lost. */
  open(node: string): Promise<readonly string[]>;
  /** Those of these that are open, in their order. */
  find(node: string, jtis: readonly string[]): Promise<readonly (RelayedDispatch | undefined)[]>;
  /** These, in their order. */
  follow(jtis: readonly string[]): Promise<readonly (FollowedDispatch | undefined)[]>;
}

export interface Sessions {
  /**
   * Enters a session in place of any that is the same node's, or a dead node's; resolves with its
   * epoch, or with undefined when the agent has another one, on another node that is alive.
   */
  enter(session: SessionRecord, leaseMs: number): Promise<number | undefined>;
  /** Takes the place of a session that was found dead. */
  takeOver(agent: string, dead: string, by: { node: string; session: string }): Promise<void>;
  leave(agent: string, session: string): Promise<void>;
  change(session: SessionRecord): Promise<number | undefined>;
  find(agents: readonly string[]): Promise<readonly StoredSession[]>;
  /** All but, or only, those of a node. */
  list(node: string, which: 'own' | 'others'): Promise<readonly StoredSession[]>;
  fingerprint(node: string, which: 'own' | 'others'): Promise<Fingerprint>;
}

export interface Calls {
  ask(call: NodeCall): Promise<void>;
  /** Not answered yet. */
  waiting(node: string): Promise<readonly string[]>;
  find(id: string): Promise<NodeCall | undefined>;
  answer(id: string, answer: string): Promise<void>;
  answered(caller: string): Promise<readonly string[]>;
  /** Deletes the call and gives its answer. */
  take(id: string): Promise<string | undefined>;
}

/** What nodes know of each other. A call is harmless when it is repeated. */
export interface Nodes {
  readonly nodes: NodeTable;
  readonly runners: Runners & RunnerLists;
  readonly relayed: Relayed;
  readonly sessions: Sessions;
  readonly calls: Calls;
}
