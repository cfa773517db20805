import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../../support/errors.ts';
import type { Round } from '../../support/rounds.ts';
import type { Core } from './core.ts';
import { lacksOutcome } from './outcome-trail.ts';
import { renewSession } from './standing.ts';
import { giveUpStoredGaps } from './stored-trail.ts';

const SWEEP_EVERY_MS = 60_000;

/** What was prepared and never submitted is told apart from what never was for this long. */
const FORGET_AFTER_MS = 24 * 3600_000;

/** Rows deleted at one time: the database serves nobody else meanwhile. */
const BATCH = 500;

/** How long what is over is kept, milliseconds. */
export interface Retention {
  readonly operationsMs: number;
  readonly auditMs: number;
}

/**
 * Gives up, every minute, what was prepared and never submitted, deletes what has been kept long
 * enough, in the files of the database too, and asks agents for outcomes that were lost on the way.
 * Resolves when `signal` aborts.
 */
export async function sweep(core: Core, retention: Retention, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = core;
  using round = core.rounds.begin('the sweep');
  while (!signal.aborted) {
    const now = clock.now();
    const steps = { signal, round };
    round.turned();
    try {
      await store.operations.expirePrepared(now);
      await store.operations.forgetUnsubmitted(now - FORGET_AFTER_MS);
      await inBatches(() => store.operations.purge(now - retention.operationsMs, BATCH), steps);
      await inBatches(() => store.audit.purge(now - retention.auditMs, BATCH), steps);
      await store.scrub();
      await askForLost(core, round);
    } catch (error) {
      log.error('cloud.request_failed', { problem: messageOf(error) });
    }
    await clock.sleep(SWEEP_EVERY_MS, signal);
  }
}

/** A renewal tells an agent how much of its trail is here; it reports what came after. */
async function askForLost(core: Core, round: Round): Promise<void> {
  for (const session of core.sessions.own()) {
    round.turned();
    const trail = session.approved ? await core.store.agents.trail(session.agentId) : undefined;
    if (trail === undefined || !lacksOutcome(trail, core.clock.now())) continue;
    const { agentId: id, directory } = session;
    const isOver = await core.store.atomically((store) =>
      giveUpStoredGaps({ ...core, store }, { id, directory }),
    );
    if (!isOver) await renewSession(core, session);
  }
}

/** The first sweep of years takes its time: each batch shows that it gets on. */
async function inBatches(
  purge: () => Promise<number>,
  { signal, round }: { readonly signal: AbortSignal; readonly round: Round },
): Promise<void> {
  while ((await purge()) === BATCH && !signal.aborted) {
    round.turned();
    await nextTurn();
  }
}
