import type { Fault } from '../../support/errors.ts';
import type { Nodes } from './nodes.ts';
import type {
  AgentIdentity,
  AgentRecord,
  ApiKeyRecord,
  AuditEntry,
  AuditRecord,
  DirectoryRecord,
  DispatchRecord,
  EnrollmentRecord,
  Moment,
  OperationRecord,
  OperationResult,
  OutcomeTrail,
  PeerRecord,
  PreparedOperation,
  Toggle,
} from './records.ts';

/** The port: what the service remembers. Every write is durable when its promise resolves; every rejection is a `StoreError`. */
export interface Store extends AsyncDisposable {
  readonly directories: Directories;
  readonly agents: Agents;
  readonly enrollments: Enrollments;
  readonly apiKeys: ApiKeys;
  readonly operations: Operations;
  readonly audit: Audit;
  /** Only where several nodes can share the database. */
  readonly nodes?: Nodes;
  /**
   * Runs `work` in one transaction: all of it counts or none. `work` must use only the store it is
   * given, and must not wait for anything but it; it may be run again, from the start, when another
   * transaction got in its way. A directory or an agent that it reads by its id, or whose trail it
   * reads, stays as it was read until the end.
   */
  atomically<T>(work: (store: Store) => Promise<T>): Promise<T>;
  /** Leaves nothing in the database's files of what was deleted or replaced by now. */
  scrub(): Promise<void>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
}

export interface Directories {
  /** False when there is one of this name. */
  add(directory: DirectoryRecord): Promise<boolean>;
  find(id: string): Promise<DirectoryRecord | undefined>;
  list(): Promise<readonly DirectoryRecord[]>;
  /** False when the stored version is not `replaced` any more. */
  setToggle(id: string, toggle: Toggle, replaced: number): Promise<boolean>;
  /** Directories whose timed pause is over by now, with nobody having noted that. */
  unnotedEnds(now: Moment): Promise<readonly DirectoryRecord[]>;
  /** Notes that the timed pause of this version is over; false when somebody else did, or it was replaced. */
  noteEnd(id: string, version: number): Promise<boolean>;
}

export type AgentChange = Partial<
  Pick<
    AgentRecord,
    | 'version'
    | 'sealingKey'
    | 'sealingStatement'
    | 'sealingSince'
    | 'sealingReplaced'
    | 'state'
    | 'decidedAt'
    | 'decidedBy'
    | 'seenAt'
    | 'trail'
    | 'guard'
    | 'report'
    | 'turnedAway'
    | 'disabled'
  >
>;

export interface Agents {
  /** False when the device key is registered already. */
  add(agent: AgentRecord): Promise<boolean>;
  find(id: string): Promise<AgentRecord | undefined>;
  list(directory: string): Promise<readonly AgentRecord[]>;
  /** Whom a person has approved or revoked since then, and everybody who is disabled. */
  decided(since: Moment): Promise<readonly Pick<AgentRecord, 'id' | 'state' | 'disabled'>[]>;
  /**
   * The approved agents of a directory, in the order of `list`: every agent that connects is told of
   * them. Disabled ones, too: what was sealed to them as well is still to be carried out by the others.
   */
  peers(directory: string): Promise<readonly PeerRecord[]>;
  /** How many there are in all directories, whatever their state. */
  count(): Promise<number>;
  update(id: string, change: AgentChange): Promise<void>;
  /** Only who it is and whether it may come in: read with every connection that claims to be its. */
  identity(id: string): Promise<AgentIdentity | undefined>;
  /** Only the outcome trail of an agent: it is read and written with every outcome. */
  trail(id: string): Promise<OutcomeTrail | undefined>;
  /** The same, and whether it may be here still. */
  standing(id: string): Promise<Pick<AgentRecord, 'state' | 'disabled' | 'trail'> | undefined>;
}

export interface Enrollments {
  add(enrollment: EnrollmentRecord): Promise<void>;
  find(id: string): Promise<EnrollmentRecord | undefined>;
  /** Deletes the secret for good; false when somebody else did first. */
  use(id: string): Promise<boolean>;
  /** Counts a wrong attempt and resolves with how many there were. */
  fail(id: string): Promise<number>;
}

export interface ApiKeys {
  /** `hash` is the SHA-256 of the key; the key itself is never stored. */
  add(key: ApiKeyRecord, hash: string): Promise<void>;
  findByHash(hash: string): Promise<ApiKeyRecord | undefined>;
  list(): Promise<readonly ApiKeyRecord[]>;
  /** Ends a key for good; resolves with what it was, if it was there. */
  remove(id: string): Promise<ApiKeyRecord | undefined>;
}

/** What turns a prepared operation into a pending one. */
export interface Submission {
  readonly id: string;
  /** SHA-256 of what was submitted. */
  readonly content: string;
  readonly secret?: string | undefined;
  /** The node that takes care of it. */
  readonly runner?: string | undefined;
  /** Stored if the operation is submitted by this, and with it. */
  readonly dispatch?: DispatchRecord | undefined;
}

export interface Ending {
  readonly id: string;
  readonly result: OperationResult;
  readonly at: Moment;
  /** Its line in the audit. */
  readonly entry: AuditEntry;
}

/** An agent's answer to a dispatch, and the end of an operation, where it is one. */
export interface Settlement extends Required<
  Pick<DispatchRecord, 'jti' | 'answeredAt' | 'code' | 'answer'>
> {
  readonly ending?: Ending | undefined;
}

/** One account of one directory. */
export type AccountOf = Pick<OperationRecord, 'directory' | 'objectGuid'>;

export interface Operations {
  prepare(operation: PreparedOperation): Promise<void>;
  find(id: string): Promise<OperationRecord | undefined>;
  /** Each of another operation. Resolves with those that were `prepared` still, and are pending now. */
  submit(submissions: readonly Submission[]): Promise<ReadonlySet<string>>;
  /** Writes the result and, when it is final, deletes the sealed secret; false after a final one. */
  finish(id: string, result: OperationResult, at: Moment): Promise<boolean>;
  /** Writes answers down, each of another dispatch, and finishes operations; resolves with those it has. */
  settle(settlements: readonly Settlement[]): Promise<ReadonlySet<string>>;
  /** Deletes the sealed secret whatever the state. */
  dropSecret(id: string): Promise<void>;
  /** Submitted and without a final result, oldest first. */
  unfinished(): Promise<readonly OperationRecord[]>;
  /** How many operations are submitted and without a result, by directory: of each that has any, or of one. */
  countPending(directory?: string): Promise<ReadonlyMap<string, number>>;
  /** What became of the operations on an account that were applied since then, newest first. */
  applied(account: AccountOf, since: Moment, limit: number): Promise<readonly OperationResult[]>;
  /** Gives up what was prepared and never submitted in time; resolves with how many. */
  expirePrepared(now: Moment): Promise<number>;
  /** Deletes what was never submitted and whose time was over before this; resolves with how many. */
  forgetUnsubmitted(before: Moment): Promise<number>;
  /** Deletes, with their dispatches, up to `limit` that were final before this; resolves with how many. */
  purge(before: Moment, limit: number): Promise<number>;
  addDispatch(dispatch: DispatchRecord): Promise<void>;
  /** Of two times at which a dispatch was lost the first one stays: agents are kept apart by one clock. */
  updateDispatch(
    jti: string,
    change: Partial<
      Pick<DispatchRecord, 'controller' | 'lostAt' | 'answeredAt' | 'code' | 'answer'>
    >,
  ): Promise<void>;
  /** The dispatch was lost, by the clock of who runs its operation, whatever was said before. */
  loseDispatch(jti: string, at: Moment): Promise<void>;
  /** Oldest first. */
  dispatches(operation: string): Promise<readonly DispatchRecord[]>;
  /** Those of several operations. */
  dispatchesOf(
    operations: readonly string[],
  ): Promise<ReadonlyMap<string, readonly DispatchRecord[]>>;
  /** After a restart: every dispatch that was under way, of one operation or of all, has lost its session. */
  loseDispatches(at: Moment, operation?: string): Promise<void>;
}

export interface AuditPage {
  readonly entries: readonly AuditRecord[];
  /** Pass as `before` for the next page; undefined on the last. */
  readonly next: number | undefined;
}

export interface Audit {
  append(entry: AuditEntry): Promise<void>;
  /** Newest first. */
  page(directory: string, limit: number, before?: number): Promise<AuditPage>;
  /** Deletes up to `limit` entries that are older than this; resolves with how many. */
  purge(before: Moment, limit: number): Promise<number>;
}

/** The database did not do what was asked; the cause is the driver's own error. `STORE_NEWER`: nor will it. */
export class StoreError extends Error implements Fault {
  override readonly name = 'StoreError';
  readonly code: 'STORE_FAILED' | 'STORE_NEWER';
  readonly retryable: boolean;

  constructor(message: string, options?: ErrorOptions, code: StoreError['code'] = 'STORE_FAILED') {
    super(message, options);
    this.code = code;
    this.retryable = code === 'STORE_FAILED';
  }
}
