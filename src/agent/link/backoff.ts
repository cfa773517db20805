export interface BackoffPolicy {
  readonly baseMs: number;
  readonly capMs: number;
  /** A link that was up this long is healthy, and the next failure counts as the first. */
  readonly stableMs: number;
  /** Over how long a fleet that has lost its service at one moment spreads, at least. */
  readonly spreadMs: number;
}

export const BACKOFF: BackoffPolicy = {
  baseMs: 1_000,
  capMs: 60_000,
  stableMs: 30_000,
  spreadMs: 5_000,
};

/** A service that asks for more patience than this is wrong, or not the service. */
const LONGEST_RETRY_AFTER_MS = 15 * 60_000;

const REFUSED_MS = 12.5 * 60_000;
const REFUSED_SPREAD = 0.2;

/**
 * Full jitter: uniform in [0, base·2ⁿ] after n rounds without a session, so a fleet that cannot
 * reach its service does not come in step; and over `spreadMs` at least, for an outage that all of
 * them begin at the same moment.
 */
export function backoffDelay(
  failures: number,
  spreadMs: number,
  random: () => number,
  { baseMs, capMs }: BackoffPolicy = BACKOFF,
): number {
  return Math.round(random() * Math.min(capMs, Math.max(baseMs * 2 ** failures, spreadMs)));
}

/**
 * Over how long to spread: 5 s at least once a healthy link was lost, and longer where the service
 * has said that it would need longer for all of its agents.
 */
export function spreadOf(wasHealthy: boolean, toldMs = 0, policy = BACKOFF): number {
  return Math.max(wasHealthy ? policy.spreadMs : 0, toldMs);
}

/** So often in a row a service that has its hands full may turn an agent away, and no more. */
const PATIENT_TIMES = 4;

/** Far over the cap, whatever is doubled. */
const MOST_DOUBLINGS = 32;

/**
 * Full jitter after having been turned away so many times in a row: over an eighth of `spreadMs` at
 * first, because the others are spread already and few have to come again, and soon again each time
 * while a fleet comes back; then twice as long each time, because it may be a service behind a load
 * balancer that is not there at all.
 */
export function turnedAwayDelay(times: number, spreadMs: number, random: () => number): number {
  // Whoever is turned away for hours must not come to infinity, of which nothing makes no number.
  const doublings = Math.min(Math.max(times - PATIENT_TIMES, 0), MOST_DOUBLINGS);
  return backoffDelay(doublings + 1, (spreadMs / 8) * 2 ** doublings, random);
}

/** The wish of a service, up to 15 minutes, and a little more: the others were told the same. 0 without one. */
export function wishedDelay(retryAfterMs: number, random: () => number, policy = BACKOFF): number {
  if (retryAfterMs === 0) return 0;
  const wish = Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS);
  return wish + Math.round(random() * policy.spreadMs);
}

/** 10 to 15 minutes: what was refused for good is asked again only in case a person has changed it. */
export function refusedDelay(random: () => number): number {
  return Math.round(REFUSED_MS * (1 - REFUSED_SPREAD + 2 * REFUSED_SPREAD * random()));
}
