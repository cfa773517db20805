import { timestamp } from '../../protocol/shapes.ts';
import { messageOf } from '../../support/errors.ts';
import { expiryStanding } from '../health/expiry.ts';
import type { AgentSession } from '../writeback/agent-session.ts';
import type { Core } from '../writeback/core.ts';
import { renewSession, standingOf } from '../writeback/standing.ts';
import type { LiveKeys } from './live-keys.ts';

const LOOK_EVERY_MS = 2_000;
const DAY_MS = 24 * 3600_000;

/** Takes rotated keys into use and warns of a key set near its end, until `signal` aborts. Never rejects. */
export async function watchKeys(core: Core, live: LiveKeys, signal: AbortSignal): Promise<void> {
  let [problem, warnedAt] = ['', -Infinity];
  using round = core.rounds.begin('the look for new keys');
  while (!signal.aborted) {
    round.turned();
    if (core.clock.monotonic() - warnedAt >= DAY_MS && warnOfExpiry(core)) {
      warnedAt = core.clock.monotonic();
    }
    await core.clock.sleep(LOOK_EVERY_MS, signal);
    if (isOver(signal)) return;
    const found = await takeNewKeys(core, live).then(
      () => '',
      (error: unknown) => messageOf(error),
    );
    if (found !== '' && found !== problem)
      core.log.error('cloud.key_set_refused', { reason: found });
    problem = found;
  }
}

// A function, so that the compiler does not take the answer before a wait for the one after it.
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

/**
 * Uses a rotated key set from now on. Every connected agent is told of it in the very turn in which
 * the first command is signed under it, so that none gets one that it cannot verify. Resolves with
 * whether there was one; rejects with `KeyFolderError` when it cannot be used, and nothing changes.
 */
export async function takeNewKeys(core: Core, live: LiveKeys): Promise<boolean> {
  const found = await live.look(core.clock.now());
  if (found === undefined) return false;
  const next = { ...core, keys: found };
  const told = new Map<AgentSession, Awaited<ReturnType<typeof standingOf>>>();
  for (const session of core.sessions.own()) {
    told.set(session, await standingOf(next, session));
  }
  live.use(found);
  for (const [session, standing] of told) void session.renew(standing);
  core.log.info('cloud.key_set_changed', {
    number: found.keySet.number,
    expiresAt: timestamp(found.keySet.expiresAt),
  });
  // Whoever came while the others' statements were signed.
  const late = core.sessions.own().filter((session) => !told.has(session));
  await Promise.all(late.map((session) => renewSession(core, session)));
  return true;
}

function warnOfExpiry({ keys, clock, log }: Core): boolean {
  const { expiresAt, number } = keys.keySet;
  const standing = expiryStanding(keys.keySet, clock.now());
  if (standing === 'good') return false;
  const fields = { number, expiresAt: timestamp(expiresAt), action: ROTATE };
  log[standing === 'soon' ? 'warn' : 'error']('cloud.key_set_expires', fields);
  return true;
}

const ROTATE = 'run `passback-cloud keys rotate`; agents obey nobody under an expired key set';
