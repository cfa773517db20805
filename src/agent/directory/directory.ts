import type { BrokenRule, EffectivePolicy } from '../../protocol/account.ts';
import { factsOf, type OutcomeCode } from '../../protocol/codes.ts';
import type { ControllerHealth } from '../../protocol/status.ts';
import type { Fault } from '../../support/errors.ts';
import type { Secret } from '../../support/secret.ts';

/** The port: all the agent ever needs from a directory. Every rejection is a `DirectoryError`. */
export interface Directory extends AsyncDisposable {
  /**
   * Reads one account on the domain controller that a write would go to now (the PDC emulator
   * first). What the guard must know and cannot be read is `DIRECTORY_CONFIG`, never a default.
   */
  read(
    account: AccountAddress,
    signal: AbortSignal,
    options?: ReadOptions,
  ): Promise<AccountReading>;
  /**
   * Applies one change in one LDAP modify on the named controller, and never sends it twice.
   * `INDETERMINATE` when bytes of it may have left and no answer came; every other rejection
   * means that the directory did not take it.
   */
  apply(target: WriteTarget, change: AccountChange, signal: AbortSignal): Promise<AppliedChange>;
  /** The health of every configured controller, found by asking it. Never rejects. */
  check(signal: AbortSignal): Promise<readonly ControllerHealth[]>;
  /**
   * What the service account may do to accounts below these base DNs, and how long its own password
   * lasts, found by reading alone. What cannot be told is `unknown`, never `granted`.
   */
  selfTest(baseDns: readonly string[], signal: AbortSignal): Promise<SelfTest>;
}

export interface SelfTest {
  /** Who was asked. */
  readonly controller: string;
  /** Three for each base DN, and one for the domain. */
  readonly rights: readonly RightFinding[];
  /**
   * When the password of the service account expires, in epoch milliseconds; 0 when it has to be
   * changed at once. Absent when it cannot be told.
   */
  readonly passwordExpiresAt?: number | 'never';
}

export interface RightStanding {
  readonly standing: 'granted' | 'missing' | 'unknown';
  /** Why it is not known, or what is wrong besides the right. */
  readonly reason?: string;
}

export interface RightFinding extends RightStanding {
  readonly right: 'resetPassword' | 'writeLockoutTime' | 'writePwdLastSet' | 'unexpirePassword';
  /** Below which it was looked for; absent: on the domain itself. */
  readonly baseDn?: string;
}

export type AccountAddress = { readonly objectGuid: string } | { readonly name: string };

export interface ReadOptions {
  /** Ask this controller and no other: `DIRECTORY_UNREACHABLE` when it does not answer. */
  readonly only?: string;
}

export interface WriteTarget {
  readonly objectGuid: string;
  /** As `AccountReading.controller` named it. */
  readonly controller: string;
}

/**
 * Whether a reset carries the policy-hints control, so that the directory enforces the password
 * history: `require` is `DIRECTORY_CONFIG` on a controller without it, and nothing is sent.
 */
export type PolicyHints = 'require' | 'prefer' | 'off';

export type AccountChange =
  | {
      readonly op: 'reset';
      readonly password: Secret;
      readonly unlock: boolean;
      readonly mustChange: boolean;
      readonly policyHints: PolicyHints;
    }
  | { readonly op: 'change'; readonly password: Secret; readonly oldPassword: Secret }
  | { readonly op: 'unlock' };

export interface AppliedChange {
  /** `pwdLastSet` as the same controller says after the write; absent when it could not be read. */
  readonly pwdLastSet?: string;
  /** Whether the password was held to the history: a change always is, a reset by the policy-hints control. */
  readonly historyEnforced: boolean;
}

/** What another machine's clock says: this, or at the most so much later. */
export interface ClockReading {
  readonly ms: number;
  readonly unsureMs: number;
}

/** One account as one controller shows it. 64-bit values are decimal strings. */
export interface AccountReading {
  readonly objectGuid: string;
  readonly distinguishedName: string;
  readonly controller: string;
  /** The controller's own clock (rootDSE `currentTime`), epoch milliseconds, and ours at that moment. */
  readonly controllerTimeMs: number;
  readonly readAtMs: number;
  /** How much later than `controllerTimeMs` it may have been: as long as the answer took. Absent: 0. */
  readonly controllerTimeUnsureMs?: number;
  /**
   * The clock, at that moment, of the controller that wrote the password last, as replication
   * metadata names it; absent when that is not known, or its clock is not.
   */
  readonly writerTime?: ClockReading;
  readonly samAccountName: string;
  readonly displayName?: string;
  readonly sid: string;
  /** Transitive security groups (`tokenGroups`), as SIDs. */
  readonly groupSids: readonly string[];
  readonly adminCount: boolean;
  readonly criticalSystemObject: boolean;
  readonly hasServicePrincipalName: boolean;
  /** Whether it is the account that the agent itself binds with. */
  readonly ownAccount: boolean;
  /** 805306368 is a normal user; trusts, machines and managed service accounts have others. */
  readonly samAccountType: number;
  readonly disabled: boolean;
  readonly expired: boolean;
  readonly locked: boolean;
  readonly mustChange: boolean;
  readonly passwordNeverExpires: boolean;
  readonly smartcardRequired: boolean;
  readonly pwdLastSet: string;
  readonly lockoutTime: string;
  readonly unicodePwd?: {
    readonly version: number;
    readonly changedAt: string;
    readonly invocationId: string;
    readonly usn: string;
  };
  /** `uSNChanged`: rises with every change of the object on this very controller. */
  readonly usnChanged?: string;
  /** Which life of the controller's database `usnChanged` counts in; another one after a restore. */
  readonly invocationId?: string;
  /** Whether the controller knows the policy-hints control. */
  readonly policyHints: boolean;
  readonly policy: EffectivePolicy;
}

/** What a directory can answer; each is an outcome code as it stands. */
export type DirectoryErrorCode = Extract<
  OutcomeCode,
  | 'ACCOUNT_NOT_FOUND'
  | 'ACCOUNT_AMBIGUOUS'
  | 'ACCOUNT_DISABLED'
  | 'ACCOUNT_EXPIRED'
  | 'ACCOUNT_LOCKED'
  | 'WRONG_PASSWORD'
  | 'PASSWORD_POLICY'
  | 'PASSWORD_NOT_ENCODABLE'
  | 'CANNOT_CHANGE_PASSWORD'
  | 'ACCESS_DENIED'
  | 'DIRECTORY_CONFIG'
  | 'DIRECTORY_UNREACHABLE'
  | 'DIRECTORY_BUSY'
  | 'DIRECTORY_REFUSED'
  | 'INDETERMINATE'
>;

export interface DirectoryErrorDetails {
  readonly controller?: string;
  readonly rules?: readonly BrokenRule[];
  /** What the server said, cleaned and capped: for the agent's log only. */
  readonly diagnostic?: string;
  readonly cause?: unknown;
}

export class DirectoryError extends Error implements Fault {
  override readonly name = 'DirectoryError';
  readonly code: DirectoryErrorCode;
  readonly retryable: boolean;
  readonly controller: string | undefined;
  readonly rules: readonly BrokenRule[];
  readonly diagnostic: string | undefined;

  constructor(code: DirectoryErrorCode, message: string, details: DirectoryErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.retryable = factsOf(code).retry === 'later';
    this.controller = details.controller;
    this.rules = details.rules ?? [];
    this.diagnostic = details.diagnostic;
  }
}
