import type { EffectivePolicy } from '../../../protocol/account.ts';
import type { By, Operation, OutcomeCode } from '../../../protocol/codes.ts';
import { timestamp } from '../../../protocol/shapes.ts';
import type { Clock } from '../../../support/clock.ts';
import type { LimitSettings } from './guard-settings.ts';
import { Refusal } from '../outcomes.ts';
import { SlidingWindow } from './sliding-window.ts';

/** What limits are about. */
export const HOUR_MS = 3_600_000;

/** Wrong old passwords where the lockout threshold cannot be read: below 3, the lowest in use. */
const WRONG_PASSWORDS_UNREAD = 2;

const EVERYTHING = '';

/** Who wants something. */
export interface Caller {
  readonly by: By;
  readonly actor: string;
}

/** An operation as it counts. */
export interface Operated extends Caller {
  readonly cmd: string;
  readonly op: Operation;
  readonly objectGuid: string;
}

/** An operation from before a restart, as the journal has it. */
export interface EarlierOperation extends Operated {
  /** When its intent was written, epoch milliseconds. */
  readonly at: number;
  /** What became of it; undefined while that is not known. */
  readonly code?: OutcomeCode;
}

/**
 * How much is done in any hour: per account, per actor and overall. Every refusal is
 * `RATE_LIMITED` with the time from which there is room. An operation counts once, when it is
 * taken up, however it ends and however often it is handed over; what was refused here does not
 * count. Time is the monotonic clock's: setting the wall clock frees nothing.
 */
export class Limits {
  readonly #settings: LimitSettings;
  readonly #clock: Clock;
  readonly #accounts = new SlidingWindow(HOUR_MS);
  readonly #actors = new SlidingWindow(HOUR_MS);
  readonly #overall = new SlidingWindow(HOUR_MS);
  readonly #wrongPasswords = new SlidingWindow(HOUR_MS);
  readonly #inspections = new SlidingWindow(HOUR_MS);

  constructor(settings: LimitSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Counts what was done before a restart. */
  restore(earlier: Iterable<EarlierOperation>): void {
    for (const operation of earlier) {
      // One from the future was written before the clock was set back: it counts as of now.
      const age = Math.max(0, this.#clock.now() - operation.at);
      if (age >= HOUR_MS) continue; // would not count; a long journal need not be kept twice
      const at = this.#now - age;
      this.#count(operation, at);
      this.#ended(operation, operation.code, at);
    }
  }

  /** Takes an operation up. Throws `Refusal`; a repeat of one that was taken up passes. */
  take(operation: Operated): void {
    if (this.#overall.has(EVERYTHING, operation.cmd, this.#now)) return;
    refuse([...this.#callerQuotas(operation), this.#accountQuota(operation.objectGuid)]);
    this.#count(operation, this.#now);
  }

  /** Counts a question about an account, or throws the refusal of it or of the operation it prepares. */
  takeInspection(caller: Caller, id: string): void {
    const key = keyOf(caller);
    const limit = this.#settings.inspections[caller.by];
    const quota = this.#quota(this.#inspections, { key, limit, what: 'questions of this caller' });
    refuse([quota, ...this.#callerQuotas(caller)]);
    this.#inspections.add(key, id, this.#now);
  }

  /** Throws the refusal that a new operation on this account would meet, and counts nothing. */
  checkAccount(objectGuid: string): void {
    refuse([this.#accountQuota(objectGuid)]);
  }

  /**
   * Throws unless another wrong old password would leave the account unlocked: each counts towards
   * lockout in the directory, whose threshold the account's policy has.
   */
  checkChange(objectGuid: string, { lockoutThreshold: threshold }: EffectivePolicy): void {
    if (threshold === 1) {
      throw new Refusal('OPERATION_NOT_ALLOWED', {
        message: 'A single wrong password locks this account: reset the password instead.',
      });
    }
    const bearable =
      threshold === undefined ? WRONG_PASSWORDS_UNREAD : threshold === 0 ? Infinity : threshold - 1;
    const limit = Math.min(this.#settings.wrongPasswords, bearable);
    const what = 'wrong old passwords for this account';
    refuse([this.#quota(this.#wrongPasswords, { key: objectGuid, limit, what })]);
  }

  /** Hears what became of an operation that was taken up. */
  ended(operation: Operated, code: OutcomeCode): void {
    this.#ended(operation, code, this.#now);
  }

  /** Hears that the answer to a write of one was lost. */
  unheard(operation: Operated): void {
    this.#ended(operation, undefined, this.#now);
  }

  #count(operation: Operated, at: number): void {
    const { cmd, objectGuid } = operation;
    this.#accounts.add(objectGuid, cmd, at);
    this.#actors.add(keyOf(operation), cmd, at);
    this.#overall.add(EVERYTHING, cmd, at);
  }

  /**
   * A change whose answer was lost may have been a wrong password, and the same one may be sent once
   * more and be another.
   */
  #ended({ cmd, op, objectGuid }: Operated, code: OutcomeCode | undefined, at: number): void {
    if (op !== 'change') return;
    if (code === 'WRONG_PASSWORD') this.#wrongPasswords.add(objectGuid, cmd, at);
    if (code === undefined || code === 'INDETERMINATE') {
      this.#wrongPasswords.add(objectGuid, `${cmd} unheard`, at);
    }
  }

  #callerQuotas({ by, actor }: Caller): readonly Quota[] {
    const { perActor, overall } = this.#settings;
    const key = keyOf({ by, actor });
    return [
      this.#quota(this.#actors, { key, limit: perActor[by], what: 'operations of this caller' }),
      this.#quota(this.#overall, {
        key: EVERYTHING,
        limit: overall,
        what: 'operations altogether',
      }),
    ];
  }

  #accountQuota(key: string): Quota {
    const limit = this.#settings.perAccount;
    return this.#quota(this.#accounts, { key, limit, what: 'operations on this account' });
  }

  #quota(
    window: SlidingWindow,
    { key, limit, what }: { readonly key: string; readonly limit: number; readonly what: string },
  ): Quota {
    const freeAt = this.#clock.now() + window.waitMs(key, limit, this.#now);
    return { what, limit, full: window.count(key, this.#now) >= limit, freeAt };
  }

  get #now(): number {
    return this.#clock.monotonic();
  }
}

interface Quota {
  readonly what: string;
  readonly limit: number;
  readonly full: boolean;
  /** When there is room, epoch milliseconds. */
  readonly freeAt: number;
}

/** Throws for the one that is full longest: before that, another try would be in vain. */
function refuse(quotas: readonly Quota[]): void {
  const [longest] = quotas.filter(({ full }) => full).sort((a, b) => b.freeAt - a.freeAt);
  if (longest === undefined) return;
  const { what, limit, freeAt } = longest;
  throw new Refusal('RATE_LIMITED', {
    notBefore: timestamp(freeAt),
    message: `Too many ${what} within an hour: the agent allows ${limit}.`,
  });
}

/** A person and an administrator of the same id are two. */
function keyOf({ by, actor }: Caller): string {
  return `${by} ${actor}`;
}
