import { START_WITHIN_MS, WRITE_WITHIN_MS } from '../../protocol/command.ts';
import type { Clock } from '../../support/clock.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import { DirectoryError, type AccountReading, type Directory } from '../directory/directory.ts';
import { judge, type Verdict, type Window } from './evidence.ts';
import type { Intent } from './journal-records.ts';
import { Unresolved } from './outcomes.ts';

/**
 * A modify that a controller has received may still be carried out after its connection was cut.
 * Longer than a write may take: who has answered other questions for so long has done it or never will.
 */
export const SETTLE_MS = WRITE_WITHIN_MS + 2_000;

/** Reading an account takes milliseconds; a person is waiting. */
export const READ_WITHIN_MS = 5_000;

const POLL_MS = 1_000;

/** How long after an intent its write can still take effect. */
export const TAKES_EFFECT_WITHIN_MS = START_WITHIN_MS + WRITE_WITHIN_MS + SETTLE_MS;

/** What became of a write whose answer was never heard. */
export interface Finding {
  readonly type: 'made' | 'superseded' | 'not-made' | 'undecidable' | 'unknown';
  /**
   * Its own controller is silent. Whatever another one shows, but for the write itself, it may still be
   * carried out there, and win over a change that it has not heard of.
   */
  readonly elsewhere: boolean;
  readonly account: AccountReading;
}

export interface FindOutContext {
  readonly directory: Directory;
  readonly clock: Clock;
  /** On the monotonic clock: who waits for the answer gives up soon after. */
  readonly answerBy: number;
  /** Once aborted, what the next look does not tell is left to the next process. */
  readonly drain: AbortSignal;
}

/**
 * Finds out from the directory what became of the write of an intent, on the same controller as
 * long as it answers within the settle time. Rejects with `Unresolved` when that cannot be said
 * yet: then the intent has to stay open.
 */
export async function findOut(
  intent: Intent,
  { directory, clock, answerBy, drain }: FindOutContext,
  signal: AbortSignal,
): Promise<Finding> {
  const patience = AbortSignal.any([signal, drain]);
  let answeringSince: number | undefined;
  let silentSince: number | undefined;
  for (;;) {
    const askedAt = clock.monotonic();
    const account = await look(intent, directory, { only: intent.controller }, signal);
    if (account !== undefined) {
      silentSince = undefined;
      answeringSince ??= askedAt;
      const settled = askedAt - answeringSince >= SETTLE_MS;
      const finding = toFinding(account, judgeIntent(intent, account), settled);
      if (finding !== undefined) return finding;
    } else {
      answeringSince = undefined;
      silentSince ??= askedAt;
      if (clock.monotonic() - silentSince >= SETTLE_MS) {
        const finding = await askElsewhere(intent, directory, signal);
        if (finding !== undefined) return finding;
      }
    }
    if (drain.aborted) throw new Unresolved();
    await clock.sleep(POLL_MS, patience);
    if (signal.aborted || clock.monotonic() >= answerBy) throw new Unresolved();
  }
}

/** What a reading proves of the write of an intent. */
export function judgeIntent(intent: Intent, account: AccountReading): Verdict {
  const { op, mustChange } = intent;
  const windows = [windowFrom(Date.parse(intent.controllerTime))];
  return judge(intent, account, { op, mustChange: mustChange === 'set', windows });
}

function windowFrom(fromMs: number): Window {
  return { fromMs, untilMs: fromMs + TAKES_EFFECT_WITHIN_MS };
}

async function askElsewhere(
  intent: Intent,
  directory: Directory,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const account = await look(intent, directory, {}, signal);
  // Its own controller is back: it has to settle.
  if (account === undefined || account.controller === intent.controller) return undefined;
  const finding = toFinding(account, judgeIntent(intent, account), true);
  return finding && { ...finding, elsewhere: true };
}

function toFinding(
  account: AccountReading,
  verdict: Verdict,
  settled: boolean,
): Finding | undefined {
  const found = { account, elsewhere: false };
  switch (verdict) {
    case 'moved-inside':
      return { type: 'made', ...found };
    case 'moved-outside':
      return { type: 'superseded', ...found };
    case 'moved-undated':
      return { type: 'unknown', ...found };
    case 'not-moved':
      return settled ? { type: 'not-made', ...found } : undefined;
    case 'undecidable':
      return settled ? { type: 'undecidable', ...found } : undefined;
    case 'behind':
      return undefined;
  }
}

/** The account as it is now; undefined while nobody can say. */
async function look(
  { objectGuid }: Intent,
  directory: Directory,
  options: { readonly only?: string },
  signal: AbortSignal,
): Promise<AccountReading | undefined> {
  try {
    return await withDeadline(READ_WITHIN_MS, signal, (within) =>
      directory.read({ objectGuid }, within, options),
    );
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    // It was deleted since: nothing will ever tell.
    if (error.code === 'ACCOUNT_NOT_FOUND') throw error;
    return undefined;
  }
}
