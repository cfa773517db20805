import type { Baseline } from '../../protocol/account.ts';
import type { By, Operation, OutcomeCode } from '../../protocol/codes.ts';
import type { OperationOptions } from '../../protocol/command.ts';
import type { PublicKey } from '../../protocol/keys.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import type { GuardSummary, StatusReport } from '../../protocol/status.ts';

/** Moments in records are epoch milliseconds. */
export type Moment = number;

export interface Toggle {
  readonly version: number;
  readonly enabled: boolean;
  readonly reason: string;
  readonly by: string;
  readonly at: Moment;
  /** When the pause ends by itself. */
  readonly until?: Moment;
}

export interface DirectoryRecord {
  readonly id: string;
  readonly createdAt: Moment;
  readonly toggle: Toggle;
}

export type AgentState = 'pending' | 'approved' | 'revoked';

/** The last link of an agent's outcome chain that was seen, and what came out of order after it. */
export interface OutcomeTrail {
  readonly epoch: string;
  readonly seq: number;
  readonly head: string;
  /** The highest number the agent itself ever named; it must not name a lower one. */
  readonly seen: number;
  readonly ahead: readonly TrailLink[];
}

export interface TrailLink {
  readonly seq: number;
  readonly hash: string;
  readonly previous: string;
  readonly at: Moment;
}

export interface AgentRecord {
  readonly id: string;
  readonly directory: string;
  readonly name: string;
  readonly version: string;
  readonly deviceKey: PublicKey;
  readonly sealingKey: PublicKey;
  /** The device key's word for the sealing key, and when it was given. */
  readonly sealingStatement: string;
  readonly sealingSince: Moment;
  /** What the sealing key replaced: commands under way may be sealed to that one. */
  readonly sealingReplaced?: ReplacedSealing;
  readonly state: AgentState;
  readonly enrolledAt: Moment;
  readonly decidedAt?: Moment;
  readonly decidedBy?: string;
  readonly seenAt?: Moment;
  readonly trail?: OutcomeTrail;
  readonly guard?: GuardSummary;
  readonly report?: StatusReport;
  /** Set while a person keeps it out; beside the state, which an older node has to know all values of. */
  readonly disabled?: Disabled | undefined;
  /** Why its last hello was not accepted as too old (or too new); gone with the next that is. */
  readonly turnedAway?: TurnedAway | undefined;
}

/** By whom an agent is kept out until somebody enables it, and why, which may be empty. */
export interface Disabled {
  readonly at: Moment;
  readonly by: string;
  readonly reason: string;
}

/** A hello with which there is no common protocol, or of a version that is served no more. */
export interface TurnedAway {
  readonly at: Moment;
  /** What it said of itself. */
  readonly version: string;
  readonly reason: string;
}

/** Who an agent is, and whether it may come in. */
export type AgentIdentity = Pick<
  AgentRecord,
  'id' | 'directory' | 'deviceKey' | 'state' | 'disabled'
>;

/** What the agents of a directory are told of each other. */
export type PeerRecord = Pick<
  AgentRecord,
  'id' | 'deviceKey' | 'sealingStatement' | 'sealingReplaced'
>;

export interface ReplacedSealing {
  readonly statement: string;
  readonly at: Moment;
}

export interface EnrollmentRecord {
  readonly id: string;
  readonly directory: string;
  /** Wrapped under the storage key; gone once the token was used or burnt. */
  readonly secret?: string;
  readonly createdBy: string;
  readonly expiresAt: Moment;
  readonly failures: number;
}

export const SCOPES = ['inspect', 'reset', 'change', 'unlock', 'status', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

export interface ApiKeyRecord {
  readonly id: string;
  readonly directory: string;
  readonly scopes: readonly Scope[];
  readonly actor: string;
  readonly createdAt: Moment;
}

export type OperationState =
  'prepared' | 'pending' | 'applied' | 'refused' | 'failed' | 'unknown' | 'expired';

export interface Recipient {
  readonly agent: string;
  readonly kid: string;
}

/** What was prepared; it never changes. */
export interface PreparedOperation {
  readonly id: string;
  readonly directory: string;
  readonly apiKey: string;
  readonly actor: string;
  readonly by: By;
  readonly op: Operation;
  readonly objectGuid: string;
  readonly options: OperationOptions;
  readonly baseline: Baseline;
  readonly notAfter: Moment;
  readonly createdAt: Moment;
  readonly recipients: readonly Recipient[];
}

export interface OperationRecord extends PreparedOperation {
  readonly state: OperationState;
  /** Nothing that happens later can change the state. */
  readonly final: boolean;
  /** SHA-256 of what was submitted; the same again is harmless. */
  readonly content?: string;
  /** The sealed secret, wrapped under the storage key; gone once the outcome is known. */
  readonly secret?: string;
  readonly result?: OperationResult;
  readonly finishedAt?: Moment;
}

/** How an operation ended. `outcome` and `signed` are absent when no agent's answer decided it. */
export interface OperationResult {
  readonly state: Exclude<OperationState, 'prepared' | 'pending'>;
  readonly final: boolean;
  readonly code?: OutcomeCode;
  readonly agent?: string;
  readonly outcome?: Outcome;
  readonly signed?: string;
}

/** One handing-over of an operation to one agent. */
export interface DispatchRecord {
  readonly jti: string;
  readonly operation: string;
  readonly agent: string;
  readonly session: string;
  /** `signedHash` of the command token. */
  readonly token: string;
  readonly at: Moment;
  readonly controller?: string;
  /** When its session was lost without an answer. */
  readonly lostAt?: Moment;
  readonly answeredAt?: Moment;
  readonly code?: OutcomeCode;
  /** The agent's signed outcome. */
  readonly answer?: string;
  /** Set while the session is another node's: which, and the command, wrapped under the storage key. */
  readonly relay?: { readonly node: string; readonly command: string };
}

export interface AuditEntry {
  readonly at: Moment;
  readonly directory: string;
  readonly actor: string;
  /** `noun.verb`, such as `agent.approved`. */
  readonly action: string;
  readonly target?: string;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
  /** The agent's signed outcome. */
  readonly signed?: string;
}

export interface AuditRecord extends AuditEntry {
  readonly seq: number;
}
