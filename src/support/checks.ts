/** How one look ended. `skip`: it was not looked, and `found` says why. */
export type CheckStanding = 'pass' | 'warn' | 'fail' | 'skip';

/** Lines that can be pasted, and into what. */
export interface Commands {
  readonly where: string;
  readonly lines: readonly string[];
}

/** One thing that was looked at. Everything but `local` may leave the machine. */
export interface CheckResult {
  /** Stable: programs depend on it. */
  readonly id: string;
  /** Which one of several: a controller, a unit, an address. */
  readonly about?: string;
  readonly standing: CheckStanding;
  readonly found: string;
  /** What to do, for whatever is not `pass`. */
  readonly remedy?: string;
  readonly commands?: readonly Commands[];
  /** Names of accounts, and what people typed, by what they are: never among the other members. */
  readonly local?: Readonly<Record<string, readonly string[]>>;
}

/** What a look found, without what it looked at. */
export type Finding = Omit<CheckResult, 'id' | 'about'>;

export type CheckCounts = Readonly<Record<CheckStanding, number>>;

export function countChecks(results: readonly CheckResult[]): CheckCounts {
  const counts = { pass: 0, warn: 0, fail: 0, skip: 0 };
  for (const { standing } of results) counts[standing] += 1;
  return counts;
}

export function passed(found: string): Finding {
  return { standing: 'pass', found };
}

/** Not looked at, because of what `reason` says. */
export function skipped(reason: string): Finding {
  return { standing: 'skip', found: reason };
}

export function warned(found: string, remedy: string, more: Partial<Finding> = {}): Finding {
  return { standing: 'warn', found, remedy, ...more };
}

export function failed(found: string, remedy: string, more: Partial<Finding> = {}): Finding {
  return { standing: 'fail', found, remedy, ...more };
}
