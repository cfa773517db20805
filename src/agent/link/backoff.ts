export interface BackoffPolicy {
  readonly baseMs: number;
  readonly capMs: number;
  /** A link that was up this long is healthy, and the next failure counts as the first. */
  readonly stableMs: number;
}

export const BACKOFF: BackoffPolicy = { baseMs: 1_000, capMs: 60_000, stableMs: 30_000 };

/** A service that asks for more patience than this is wrong, or not the service. */
const LONGEST_RETRY_AFTER_MS = 15 * 60_000;

const REFUSED_MS = 12.5 * 60_000;
const REFUSED_SPREAD = 0.2;

/**
 * Full jitter: uniform in [0, base·2ⁿ], so a fleet that lost its service does not return in step.
 * A longer wish of the server's wins, up to 15 minutes.
 */
export function backoffDelay(
  failures: number,
  policy: BackoffPolicy,
  random: () => number,
  retryAfterMs = 0,
): number {
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** failures);
  const wish = Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS);
  return Math.max(Math.round(random() * ceiling), wish);
}

/** 10 to 15 minutes: what was refused for good is asked again only in case a person has changed it. */
export function refusedDelay(random: () => number): number {
  return Math.round(REFUSED_MS * (1 - REFUSED_SPREAD + 2 * REFUSED_SPREAD * random()));
}
