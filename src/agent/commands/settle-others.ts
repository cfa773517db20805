import type { OutcomeCode } from '../../protocol/codes.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import type { Clock } from '../../support/clock.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import { DirectoryError, type AccountReading } from '../directory/directory.ts';
import { MARGIN_MS, type Verdict } from './evidence.ts';
import { judgeIntent, READ_WITHIN_MS, SETTLE_MS, TAKES_EFFECT_WITHIN_MS } from './find-out.ts';
import type { Executor } from './job.ts';
import type { Intent } from './journal-records.ts';
import type { Journal } from './journal.ts';
import { outcome, Refusal } from './outcomes.ts';
import { madeBefore } from './resume.ts';
import type { Trail } from './trail.ts';

/** What is written later than this can be told from the write of an intent. */
const QUIET_AFTER_MS = TAKES_EFFECT_WITHIN_MS + 2 * MARGIN_MS;

export interface OthersContext {
  readonly journal: Journal;
  readonly trail: Trail;
  readonly clock: Clock;
  /** Since when this process has run, on the monotonic clock. */
  readonly since: number;
}

/**
 * Writes down what became of earlier operations on an account before another one makes it
 * impossible to tell. Throws `BUSY` while a write of one of them may still take effect, on top of a
 * later one, or be taken for it.
 */
export async function settleOthers(
  cmd: string,
  account: AccountReading,
  context: OthersContext,
): Promise<void> {
  const { journal, trail } = context;
  const others = journal.openOn(account.objectGuid).filter((intent) => intent.cmd !== cmd);
  for (const intent of others) {
    if (!isQuiet(intent.at, context)) throw new Refusal('BUSY', { controller: intent.controller });
    const verdict = judgeIntent(intent, account);
    const isElsewhere = account.controller !== intent.controller;
    // Its own controller may have been frozen, and carry it out when it goes on.
    const code = verdict === 'moved-outside' && isElsewhere ? 'INDETERMINATE' : CODES[verdict];
    if (code === undefined) continue;
    await conclude(intent, toldBy(account, intent, code), trail);
  }
}

/**
 * Writes down what became of a write that nobody has asked about since: another agent may have
 * answered for it, or the service is gone. Resolves with undefined, and leaves it open, while it
 * cannot be told; only a proof is one before its time is over.
 */
export async function settleLeftOver(
  intent: Intent,
  context: OthersContext & Pick<Executor, 'directory'>,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const { trail, clock, directory } = context;
  if (!isQuiet(intent.at, context)) return undefined;
  const { objectGuid, controller: only } = intent;
  try {
    const account = await withDeadline(READ_WITHIN_MS, signal, (within) =>
      directory.read({ objectGuid }, within, { only }),
    );
    const verdict = judgeIntent(intent, account);
    const isOver = clock.now() - Date.parse(intent.notAfter) > QUIET_AFTER_MS;
    // Asked in its time, it would be written again where that is not proven.
    if (!isOver && verdict !== 'moved-inside' && verdict !== 'moved-outside') return undefined;
    const code = verdict === 'not-moved' ? notMade(intent) : CODES[verdict];
    return code && (await conclude(intent, toldBy(account, intent, code), trail));
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    // Only of an account that is gone nobody will ever tell more.
    if (error.code !== 'ACCOUNT_NOT_FOUND') return undefined;
    return conclude(intent, outcome('INDETERMINATE', 0, { controller: only }), trail);
  }
}

/** Nothing that was sent at that time can take effect any more, or be taken for a later write. */
function isQuiet(at: string, { clock, since }: OthersContext): boolean {
  return clock.now() - Date.parse(at) > QUIET_AFTER_MS && clock.monotonic() - since > SETTLE_MS;
}

/** Its time is over, so nothing will be written any more; an earlier write may have been made elsewhere. */
function notMade({ reapplied }: Intent): OutcomeCode {
  return reapplied === true ? 'INDETERMINATE' : 'EXPIRED';
}

function toldBy(account: AccountReading, intent: Intent, code: OutcomeCode): Outcome {
  const { controller } = account;
  return outcome(code, 0, code === 'APPLIED' ? madeBefore(intent, account) : { controller });
}

async function conclude(intent: Intent, ended: Outcome, trail: Trail): Promise<Outcome> {
  const { token, ...kept } = intent;
  await trail.unasked({ ...kept, tokenHash: token }, ended);
  return ended;
}

/** Not made, it is left open: asked again, it will find this operation in its way. */
const CODES: Record<Verdict, OutcomeCode | undefined> = {
  'moved-inside': 'APPLIED',
  'moved-outside': 'SUPERSEDED',
  'moved-undated': 'INDETERMINATE',
  undecidable: 'INDETERMINATE',
  'not-moved': undefined,
  behind: undefined,
};
