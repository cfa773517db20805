import { Attribute, Change, ResultCodeError } from 'ldapts';
import type { Clock } from '../../src/support/clock.ts';
import type { Lab } from '../../test/lab/lab.ts';
import type { CommandHistory } from './history.ts';
import type { PlannedRival } from './plan.ts';

/** Resets the account as an administrator with tools of their own would. Never rejects. */
export async function rivalResets(
  history: CommandHistory,
  { controller, password }: PlannedRival,
  { lab, clock }: { readonly lab: Lab; readonly clock: Clock },
): Promise<void> {
  const { dn } = lab.person(history.command.sam);
  const client = lab.client(controller);
  const modification = new Attribute({
    type: 'unicodePwd',
    values: [Buffer.from(`"${password}"`, 'utf16le')],
  });
  let sent = false;
  try {
    await client.bind(lab.administrator.dn, lab.administrator.password);
    history.rival = { password, controller, beganAt: clock.now(), done: 'unknown' };
    sent = true;
    await client.modify(dn, new Change({ operation: 'replace', modification }));
    history.rival = { ...history.rival, endedAt: clock.now(), done: 'yes' };
  } catch (error) {
    // A controller that is away is part of the run.
    if (history.rival !== undefined && (!sent || error instanceof ResultCodeError)) {
      history.rival.done = 'no';
    }
  } finally {
    await client.unbind().catch(() => undefined);
  }
}

/** Locks the account by wrong passwords, if the controller is there, and resolves with when that was over. */
export async function lockAccount(
  sam: string,
  { lab, clock }: { readonly lab: Lab; readonly clock: Clock },
): Promise<number> {
  await lab.lock(sam).catch(() => undefined);
  return clock.now();
}
