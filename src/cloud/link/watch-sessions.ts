import type { Clock } from '../../support/clock.ts';
import type { Rounds } from '../../support/rounds.ts';
import type { LinkSession } from './link-session.ts';

const LOOK_EVERY_MS = 1_000;

/**
 * Looks after every session once a second until `signal` aborts: one timer for all of them, because
 * of ten thousand idle agents each would have two. Never rejects.
 */
export async function watchSessions(
  sessions: { all(): readonly Pick<LinkSession, 'look'>[] },
  { clock, rounds }: { readonly clock: Clock; readonly rounds: Rounds },
  signal: AbortSignal,
): Promise<void> {
  using round = rounds.begin('the look at the sessions');
  for (;;) {
    await clock.sleep(LOOK_EVERY_MS, signal);
    if (signal.aborted) return;
    round.turned();
    for (const session of sessions.all()) session.look();
  }
}
