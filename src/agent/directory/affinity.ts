import type { Clock } from '../../support/clock.ts';
import type { AccountReading } from './directory.ts';

/** Replication within a site takes seconds, between sites at most its interval: 15 min at the least. */
const KEPT_MS = 15 * 60_000;
const MAX_ACCOUNTS = 10_000;

interface Home {
  readonly controller: string;
  readonly until: number;
}

/**
 * On which controller each account was written last. It is asked first until another one is seen
 * to have caught up, so that nobody reads, and builds on, what was there before the write.
 */
export class Affinity {
  readonly #clock: Clock;
  readonly #homes = new Map<string, Home>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wrote(objectGuid: string, controller: string): void {
    // Entered anew, so that the first of the map is always the oldest.
    this.#homes.delete(objectGuid);
    this.#homes.set(objectGuid, { controller, until: this.#clock.monotonic() + KEPT_MS });
    for (const [oldest, { until }] of this.#homes) {
      if (this.#homes.size <= MAX_ACCOUNTS && until > this.#clock.monotonic()) break;
      this.#homes.delete(oldest);
    }
  }

  homeOf(objectGuid: string): string | undefined {
    const home = this.#homes.get(objectGuid);
    return home === undefined || home.until <= this.#clock.monotonic()
      ? undefined
      : home.controller;
  }

  /** Another controller shows what this one shows. Means nothing once it was written elsewhere. */
  replicated(objectGuid: string, controller: string): void {
    if (this.#homes.get(objectGuid)?.controller === controller) this.#homes.delete(objectGuid);
  }
}

/** Whether one controller has, of one account, everything that another one has. */
export function hasCaughtUp(one: AccountReading, other: AccountReading): boolean {
  return hasPassword(one, other) && one.lockoutTime === other.lockoutTime;
}

function hasPassword(one: AccountReading, other: AccountReading): boolean {
  if (one.unicodePwd === undefined || other.unicodePwd === undefined) {
    // Must-change is 0 before and after: that says nothing.
    return other.pwdLastSet !== '0' && BigInt(one.pwdLastSet) >= BigInt(other.pwdLastSet);
  }
  // As replication itself decides: version, then time, then database (MS-DRSR 4.1.10.5.12).
  const a = one.unicodePwd;
  const b = other.unicodePwd;
  if (a.version !== b.version) return a.version > b.version;
  if (a.changedAt !== b.changedAt) return a.changedAt > b.changedAt;
  return a.invocationId === b.invocationId;
}
