import type { Operation } from '../../protocol/codes.ts';
import type { AccountReading } from '../directory/directory.ts';
import { fromFiletime } from '../directory/filetime.ts';

/** What an account looked like before a write that may or may not have been made. */
export interface Before {
  readonly controller: string;
  readonly pwdLastSet: string;
  readonly lockoutTime: string;
  readonly unicodePwd?: AccountReading['unicodePwd'] | undefined;
  readonly usnChanged?: string | undefined;
  readonly invocationId?: string | undefined;
}

type After = Before & Pick<AccountReading, 'controllerTimeMs'>;

/** When a write can have been made, on the clock of the controller that would have made it. */
export interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
  /** By how much the first end may really be later and the other one sooner. Absent: 0. */
  readonly unsureMs?: number;
}

export interface Write {
  readonly op: Operation;
  /** Whether it sets `pwdLastSet` to 0. */
  readonly mustChange: boolean;
  readonly windows: readonly Window[];
}

/**
 * - `not-moved`: nothing was written since.
 * - `moved-inside`: written once, when our write can have been: it is ours.
 * - `moved-outside`: written by somebody else.
 * - `moved-undated`: written, and nothing tells when, or in which order with another one, or not well enough.
 * - `behind`: this controller has not heard yet of what was there before.
 * - `undecidable`: it looks the same either way.
 */
export type Verdict =
  'not-moved' | 'moved-inside' | 'moved-outside' | 'moved-undated' | 'behind' | 'undecidable';

/**
 * A controller tells its time in whole seconds (MS-ADTS 3.1.1.3.2.6), so that its clock may be later
 * than it was taken for, never sooner; and a little passes on the way.
 */
export const MARGIN_MS = 2_000;

/** Either clock may be set by a little, or run a little faster, meanwhile. */
const EARLY_MS = 500;

/** What a reading proves of a write. Pure; total over every reading a controller can give. */
export function judge(before: Before, after: After, write: Write): Verdict {
  if (write.op === 'unlock') return judgeUnlock(before, after);
  return (
    judgeMetadata(before, after, write) ??
    (isUntouched(before, after) ? 'not-moved' : judgeTimes(before, after, write))
  );
}

/** The state itself tells: 0 is done by whoever did it, another value is a lockout of later. */
function judgeUnlock(before: Before, after: After): Verdict {
  if (after.lockoutTime === '0') return 'moved-inside';
  return after.lockoutTime === before.lockoutTime ? 'not-moved' : 'moved-outside';
}

/** The version rises by one with each write, whoever makes it and wherever it is read. */
function judgeMetadata(before: Before, after: After, write: Write): Verdict | undefined {
  const [was, is] = [before.unicodePwd, after.unicodePwd];
  if (was === undefined || is === undefined) return undefined;
  if (is.version < was.version) return 'behind';
  if (is.version === was.version) {
    // The same version from elsewhere: two wrote at once, and replication kept the other one.
    return is.invocationId === was.invocationId && is.usn === was.usn
      ? 'not-moved'
      : 'moved-outside';
  }
  const isFromHere = before.invocationId === undefined || is.invocationId === before.invocationId;
  // A write with must-change leaves 0: another one is somebody else's of the same seconds.
  const looksLikeIt = !write.mustChange || after.pwdLastSet === '0';
  if (!isFromHere || !looksLikeIt) return 'moved-outside';
  const verdict = judgeMoment(momentOf(is.changedAt, after.pwdLastSet), write.windows);
  return is.version === was.version + 1 ? verdict : amongSeveral(verdict);
}

/** Of several writes the last one may be ours, over somebody else's, as well as the other way round. */
function amongSeveral(last: Verdict): Verdict {
  return last === 'moved-outside' ? last : 'moved-undated';
}

/** `uSNChanged` counts on one controller, in one life of its database (MS-ADTS 3.1.1.1.9). */
function isUntouched(before: Before, after: After): boolean {
  return (
    isSameController(before, after) &&
    before.usnChanged !== undefined &&
    before.usnChanged === after.usnChanged &&
    (before.invocationId ?? after.invocationId) === (after.invocationId ?? before.invocationId)
  );
}

function judgeTimes(before: Before, after: After, { op, mustChange, windows }: Write): Verdict {
  const was = before.pwdLastSet;
  const is = after.pwdLastSet;
  // MS-SAMR 3.1.1.8.1: every write of a password moves it, except from 0 ("must change") to 0.
  if (is === was) return is === '0' && op === 'reset' ? 'undecidable' : 'not-moved';
  const setAt = fromFiletime(is);
  if (setAt === undefined) return judgeZeroed(before, after, { op, windows });
  const setBefore = fromFiletime(was);
  if (setBefore !== undefined && setAt < setBefore && !isSameController(before, after)) {
    return 'behind';
  }
  // A write with must-change would have left 0.
  return mustChange ? 'moved-outside' : judgeMoment({ fromMs: setAt, untilMs: setAt }, windows);
}

/**
 * 0 has no time, but the change lies between the two readings. Any reset can leave it: the directory
 * sets it by itself for a caller without Unexpire Password (MS-SAMR 3.1.1.8.7).
 */
function judgeZeroed(
  before: Before,
  after: After,
  { op, windows }: Pick<Write, 'op' | 'windows'>,
): Verdict {
  const seenInTime =
    isSameController(before, after) &&
    surelyOf(windows).some(({ untilMs }) => after.controllerTimeMs <= untilMs + MARGIN_MS);
  return op === 'reset' && seenInTime ? 'moved-inside' : 'moved-undated';
}

/**
 * Metadata has whole seconds (DSTIME, MS-DRSR 5.162); the `pwdLastSet` of the same write has the
 * moment, unless it is 0.
 */
function momentOf(changedAt: string, pwdLastSet: string): Window {
  const fromMs = Date.parse(changedAt);
  const untilMs = fromMs + 999;
  const setAt = fromFiletime(pwdLastSet);
  return setAt !== undefined && setAt >= fromMs && setAt <= untilMs
    ? { fromMs: setAt, untilMs: setAt }
    : { fromMs, untilMs };
}

/** Only what lies inside however wrong the clocks are is ours, and outside somebody else's. */
function judgeMoment(moment: Window, windows: readonly Window[]): Verdict {
  if (isInside(moment, surelyOf(windows))) return 'moved-inside';
  return isInside(moment, windows) ? 'moved-undated' : 'moved-outside';
}

function surelyOf(windows: readonly Window[]): readonly Window[] {
  return windows.map(({ fromMs, untilMs, unsureMs = 0 }) => ({
    fromMs: fromMs + unsureMs,
    untilMs: untilMs - unsureMs,
  }));
}

function isInside(moment: Window, windows: readonly Window[]): boolean {
  return windows.some(
    ({ fromMs, untilMs }) =>
      moment.untilMs >= fromMs - EARLY_MS && moment.fromMs <= untilMs + MARGIN_MS,
  );
}

function isSameController(before: Before, after: After): boolean {
  return before.controller.toLowerCase() === after.controller.toLowerCase();
}
