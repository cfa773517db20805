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

/** What a doctor says of one of its checks. */
export interface CheckFacts {
  /** What is looked at, at the head of a line. */
  readonly title: string;
  /** What that is good for, and what is no pass, for the table of all checks. */
  readonly doc: string;
}

/** All checks of a doctor, in the order in which they are made. */
export type Checks = Readonly<Record<string, CheckFacts>>;

/** A finding, with what it was found in. */
export function checkResult(id: string, finding: Finding, about?: string): CheckResult {
  return { id, ...(about !== undefined && { about }), ...finding };
}

/** What stands at the head of each check's line. */
export function titlesOf(checks: Checks): Readonly<Partial<Record<string, string>>> {
  return Object.fromEntries(Object.entries(checks).map(([id, { title }]) => [id, title]));
}

/** All checks as a Markdown table. */
export function checkTable(checks: Checks): string {
  const rows = Object.entries(checks).map(([id, { doc }]) => `| \`${id}\` | ${doc} |`);
  return ['| check | looks at |', '| --- | --- |', ...rows].join('\n') + '\n';
}
