import { timestamp } from '../../protocol/shapes.ts';
import type { LinkReport } from '../link/link-report.ts';

/** How the link is, for a person; undefined while there is a session. */
export function noSessionBecause(link: LinkReport): string | undefined {
  const { state, url, disconnectedSince, lastFailure, nextTryAt } = link;
  if (state === 'ready' || state === 'draining') return undefined;
  // With several addresses, the one that was tried last need not be the one that says why.
  const named = lastFailure?.url ?? url;
  const where = named === undefined ? 'the reset service' : `the reset service at ${named}`;
  const since = disconnectedSince === undefined ? '' : ` since ${timestamp(disconnectedSince)}`;
  const why = lastFailure === undefined ? '' : `: ${lastFailure.reason}`;
  const next = nextTryAt === undefined ? '' : `; it is tried again at ${timestamp(nextTryAt)}`;
  return `no session with ${where}${since}${why}${next}`;
}
