import type { OutcomeCode } from '../../protocol/codes.ts';
import type { Clock } from '../../support/clock.ts';
import type { AccountReading } from '../directory/directory.ts';
import { MARGIN_MS, type Verdict } from './evidence.ts';
import { judgeIntent, SETTLE_MS, TAKES_EFFECT_WITHIN_MS } from './find-out.ts';
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
  { journal, trail, clock, since }: OthersContext,
): Promise<void> {
  const others = journal.openOn(account.objectGuid).filter((intent) => intent.cmd !== cmd);
  for (const intent of others) {
    const over =
      clock.now() - Date.parse(intent.at) > QUIET_AFTER_MS && clock.monotonic() - since > SETTLE_MS;
    if (!over) throw new Refusal('BUSY', { controller: intent.controller });
    const code = CODES[judgeIntent(intent, account)];
    if (code === undefined) continue;
    const { controller } = account;
    const details = code === 'APPLIED' ? madeBefore(intent, account) : { controller };
    const { token, ...kept } = intent;
    await trail.outcome({ ...kept, tokenHash: token }, outcome(code, 0, details));
  }
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
