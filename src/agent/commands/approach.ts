import { CLOCK_TOLERANCE_S, type CommandClaims } from '../../protocol/command.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import {
  DirectoryError,
  type AccountReading,
  type ClockReading,
  type Directory,
} from '../directory/directory.ts';
import { checkGuard, hasMoved } from './checks.ts';
import { judge, type Verdict, type Window } from './evidence.ts';
import type { Job } from './job.ts';
import { Refusal } from './outcomes.ts';

/** A controller that would know best, and is not the only one, gets this long of the time to begin. */
const PREFERRED_WITHIN_MS = 2_000;

export interface Approached {
  /** `made`: another agent's write of this very operation is already there. */
  readonly type: 'free' | 'made' | 'unknown';
  readonly account: AccountReading;
  /** Another agent's write may be there all the same. */
  readonly reapplied: boolean;
}

/** What of a job is known before anything was read. */
type Arrived = Pick<Job, 'claims' | 'executor' | 'givenAt' | 'receivedAt'>;

/**
 * Looks at the account before the first write of an operation by this agent. Throws the `Refusal`
 * of whatever stands against it: the guard, a change by somebody else, a controller that is behind.
 */
export async function approach(job: Arrived, reading: Promise<Read>): Promise<Approached> {
  const { claims, executor } = job;
  const { account, silent } = await reading;
  checkGuard(account, claims, executor.guard);
  // The state itself decides: an account that is unlocked stays so.
  if (claims.op === 'unlock') return { type: 'free', account, reapplied: silent };
  const verdict = judgeAttempts(claims, account, windowsOf(job, account));
  switch (verdict) {
    case 'moved-inside':
      return { type: 'made', account, reapplied: false };
    case 'moved-undated':
      if (othersOf(claims).length > 0) return { type: 'unknown', account, reapplied: false };
      throw new Refusal('SUPERSEDED', { controller: account.controller });
    case 'moved-outside':
      throw new Refusal('SUPERSEDED', { controller: account.controller });
    case 'behind':
      // Replication brings it in a moment, or another controller answers the next dispatch.
      throw new Refusal('DIRECTORY_BUSY', { controller: account.controller });
    case 'not-moved':
    case 'undecidable':
      return free(claims, { account, silent }, verdict);
  }
}

function free(
  claims: Exclude<CommandClaims, { op: 'unlock' }>,
  { account, silent }: Read,
  verdict: Verdict,
): Approached {
  const { controller } = account;
  if (hasMoved(claims.baseline, account)) throw new Refusal('SUPERSEDED', { controller });
  const reapplied = silent || (verdict === 'undecidable' && othersOf(claims).length > 0);
  // An old password is offered once: a second time it may be wrong, and counts towards lockout.
  if (reapplied && claims.op === 'change') throw new Refusal('DIRECTORY_BUSY', { controller });
  return { type: 'free', account, reapplied };
}

export interface Read {
  readonly account: AccountReading;
  /** The controller that another agent began to write on does not answer. */
  readonly silent: boolean;
}

/**
 * Reads the account where it is known best: where another agent began to write, else where a write
 * would go now, or, when that one has not heard of the baseline, where the baseline was taken.
 */
export async function readForWrite(
  claims: CommandClaims,
  directory: Directory,
  signal: AbortSignal,
): Promise<Read> {
  const { objectGuid } = claims.account;
  const readOn = (only: string): Promise<AccountReading | undefined> =>
    withDeadline(PREFERRED_WITHIN_MS, signal, (within) =>
      directory.read({ objectGuid }, within, { only }),
    ).catch(unanswered);
  const begunOn = othersOf(claims).findLast(
    ({ controller }) => controller !== undefined,
  )?.controller;
  const known = begunOn === undefined ? undefined : await readOn(begunOn);
  if (known !== undefined) return { account: known, silent: false };
  const account = await directory.read({ objectGuid }, signal);
  const { baseline } = claims;
  const elsewhere =
    claims.op !== 'unlock' &&
    baseline !== undefined &&
    hasMoved(baseline, account) &&
    baseline.controller !== account.controller &&
    baseline.controller !== begunOn;
  const there = elsewhere ? await readOn(baseline.controller) : undefined;
  return { account: there ?? account, silent: begunOn !== undefined };
}

function judgeAttempts(
  claims: Exclude<CommandClaims, { op: 'unlock' }>,
  account: AccountReading,
  windows: readonly Window[],
): Verdict {
  const { op, mustChange } = claims;
  const planned = mustChange && !account.passwordNeverExpires;
  const verdict = judge(claims.baseline, account, { op, mustChange: planned, windows });
  // Another operation may have been written right before the dispatch whose time this is.
  const isOthers = claims.knownPwdLastSet?.includes(account.pwdLastSet) === true;
  const mayBeOurs = verdict === 'moved-inside' || verdict === 'moved-undated';
  return mayBeOurs && isOthers ? 'moved-outside' : verdict;
}

/**
 * When other agents can have written, by the clock of the controller that wrote last. The service's
 * clock only tells how long before this command that was; when it was signed lies between what the
 * service knew of this machine's clock and when it came.
 */
function windowsOf(
  { claims, executor: { clock }, givenAt, receivedAt }: Arrived,
  account: AccountReading,
): readonly Window[] {
  const sinceReadMs = clock.now() - account.readAtMs;
  const signedMs = Date.parse(claims.signedAt);
  return othersOf(claims).map(({ from, until, controller }) => {
    const { ms, unsureMs } = writerTimeOf(account, controller);
    const aheadMs = ms + sinceReadMs - clock.monotonic();
    return {
      fromMs: givenAt + aheadMs - (signedMs - Date.parse(from)),
      untilMs: receivedAt + aheadMs + unsureMs - (signedMs - Date.parse(until)),
      unsureMs: receivedAt - givenAt + unsureMs,
    };
  });
}

/**
 * The clock that the last write has its time of. Of a controller whose clock was never heard only
 * the tolerance bounds it: somebody else's change of seconds before the first dispatch lies inside.
 */
function writerTimeOf(account: AccountReading, begunOn: string | undefined): ClockReading {
  const { controllerTimeMs: ms, controllerTimeUnsureMs = 0, invocationId, writerTime } = account;
  const writtenOn = account.unicodePwd?.invocationId;
  const isFromHere =
    writtenOn === undefined || invocationId === undefined
      ? begunOn?.toLowerCase() === account.controller.toLowerCase()
      : writtenOn === invocationId;
  if (isFromHere) return { ms, unsureMs: controllerTimeUnsureMs };
  const toleranceMs = CLOCK_TOLERANCE_S * 1000;
  return writerTime ?? { ms: ms - toleranceMs, unsureMs: 2 * toleranceMs + controllerTimeUnsureMs };
}

/** Dispatches to other agents: what this one began is in its own journal. */
function othersOf({ attempts, agent }: CommandClaims): CommandClaims['attempts'] {
  return attempts.filter((attempt) => attempt.agent !== agent);
}

function unanswered(error: unknown): undefined {
  if (error instanceof DirectoryError && error.code !== 'ACCOUNT_NOT_FOUND') return undefined;
  throw error;
}
