import type { Effect } from '../../protocol/outcome.ts';
import type { AccountReading, AppliedChange } from '../directory/directory.ts';
import type { Intent } from './journal-records.ts';

/** What a write did that the directory has confirmed. */
export function effectOf(
  intent: Pick<Intent, 'op' | 'unlock' | 'mustChange'>,
  { pwdLastSet, historyEnforced }: AppliedChange,
  before: Pick<AccountReading, 'locked'>,
): Effect {
  const { op, mustChange } = intent;
  return {
    passwordSet: op !== 'unlock',
    unlocked: before.locked && unlocks(intent),
    mustChange,
    mustChangeForcedByDirectory: op === 'reset' && mustChange !== 'set' && pwdLastSet === '0',
    ...(pwdLastSet !== undefined && { pwdLastSet }),
    historyEnforced,
  };
}

/** What a write did of which only the account tells: no more than can be seen there. */
export function inferredEffect(intent: Intent, after: AccountReading): Effect {
  const locked = intent.lockoutTime !== '0' && after.lockoutTime === '0';
  const historyEnforced = intent.historyEnforced === true;
  return effectOf(intent, { pwdLastSet: after.pwdLastSet, historyEnforced }, { locked });
}

function unlocks({ op, unlock }: Pick<Intent, 'op' | 'unlock'>): boolean {
  return op === 'unlock' || (op === 'reset' && unlock);
}
