import type { CryptoKey } from 'jose';
import { factsOf, type OutcomeCode } from '../../protocol/codes.ts';
import type { CommandClaims } from '../../protocol/command.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import type { Clock } from '../../support/clock.ts';
import type { AccountChange, AccountReading, Directory } from '../directory/directory.ts';
import type { Admission } from './guard/admission.ts';
import type { GuardSettings } from './guard/guard-settings.ts';
import type { Intent } from './journal-records.ts';
import { outcome, toOutcome, Unresolved } from './outcomes.ts';

export interface Executor {
  readonly directory: Directory;
  readonly guard: GuardSettings;
  readonly admission: Admission;
  readonly sealingKey: (kid: string) => CryptoKey | undefined;
  readonly stranger: (recipients: readonly string[]) => Promise<string | undefined>;
  readonly clock: Clock;
}

export type PlannedIntent = Omit<Intent, 'type' | 'jti' | 'digest' | 'token'>;

/** What the journal and the service are told along the way. */
export interface Steps {
  /** Hears what the account is like before the operation's first write. */
  seen(account: AccountReading): Promise<void>;
  /** Makes the intent durable; the write follows only when it resolves. */
  intend(intent: PlannedIntent): Promise<Intent>;
  began(controller: string): void;
  /** Why nothing may be written just now, whatever it is. */
  obstacle(): OutcomeCode | undefined;
}

export interface Execution {
  readonly claims: CommandClaims;
  /** When the command arrived, on the monotonic clock. */
  readonly receivedAt: number;
  /**
   * When the service signed it, at the earliest, on the same clock: what is decided within a time is
   * decided within that of the service, which may give the operation to another agent after it.
   */
  readonly givenAt: number;
  /** A write of the same operation that was begun and whose outcome is not known. */
  readonly open?: Intent | undefined;
  /** The agent is stopping: whoever runs next can wait for what becomes of a write. */
  readonly drain: AbortSignal;
}

/** All that carrying out one command needs. */
export interface Job extends Execution {
  readonly executor: Executor;
  readonly steps: Steps;
  /** The change with its secret, opened when it is first asked for. */
  readonly change: () => Promise<AccountChange>;
  readonly signal: AbortSignal;
}

/** A write that nothing stands against any more. */
export interface Go {
  readonly account: AccountReading;
  /** From here on it has `startWithinMs`, on the monotonic clock. */
  readonly decidedAt: number;
  /** The same may have been written before, by this agent or another one. */
  readonly reapplied: boolean;
  /** An earlier write by this very agent may have been made. */
  readonly mayBeMade: boolean;
}

/**
 * A session whose command is neither begun nor answered within 3 s is given up by the service, with
 * everything else in flight on it: what keeps it from beginning has to be said sooner.
 */
const DECIDED_WITHIN_MS = 2_500;

/** How long a command that was given at that moment may still take to be begun or turned away; 0 or less: not now. */
export function leftToBegin({ givenAt }: Pick<Execution, 'givenAt'>, clock: Clock): number {
  return givenAt + DECIDED_WITHIN_MS - clock.monotonic();
}

/** Milliseconds since the command arrived. */
export function tookMs({ executor, receivedAt }: Job): number {
  return executor.clock.monotonic() - receivedAt;
}

/**
 * What is said of a command that something stood against. Throws `Unresolved` where an earlier
 * write may have been made and another dispatch can still tell, and whatever is a bug.
 */
export function stopped(job: Job, error: unknown, mayBeMade: boolean): Outcome {
  const ended = toOutcome(error, tookMs(job));
  if (!mayBeMade) return ended;
  // "Not now" would be taken for "nothing was done", and a refusal for the last word.
  if (factsOf(ended.code).redispatch === true) throw new Unresolved();
  const { controller } = ended;
  return outcome('INDETERMINATE', tookMs(job), controller === undefined ? {} : { controller });
}
