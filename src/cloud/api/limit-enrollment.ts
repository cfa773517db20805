import type { MiddlewareHandler } from 'hono';
import type { ApiEnv, ApiOptions } from './context.ts';
import { problem } from './problem.ts';

const WINDOW_MS = 60_000;

/** A rollout may enrol many machines from behind one address; each costs one request. */
const PER_ADDRESS = 60;
const IN_TOTAL = 600;

/** More addresses than this in a minute are no rollout. */
const MAX_ADDRESSES = 10_000;

/** Where a request came from, as Node's server hands it to Hono. */
interface NodeBindings {
  readonly incoming?: { readonly socket: { readonly remoteAddress?: string } };
}

/**
 * Bounds what strangers can make the service do: enrolment is the one call without a key, and each
 * costs a look into the database. Nobody can guess a token, so this is about load alone.
 */
export function limitEnrollment({ core }: ApiOptions): MiddlewareHandler<ApiEnv> {
  const asked = new Map<string, number>();
  let total = 0;
  let since = -Infinity;
  return async (c, next) => {
    const now = core.clock.monotonic();
    if (now - since >= WINDOW_MS) {
      asked.clear();
      [total, since] = [0, now];
    }
    const { incoming } = (c.env ?? {}) as NodeBindings;
    const address = incoming?.socket.remoteAddress ?? '';
    const count = (asked.get(address) ?? 0) + 1;
    total += 1;
    if (count > PER_ADDRESS || total > IN_TOTAL || asked.size >= MAX_ADDRESSES) {
      return problem(c, {
        code: 'TOO_MANY_REQUESTS',
        detail: 'too many enrolments in a minute; try again in the next one',
      });
    }
    asked.set(address, count);
    await next();
    return undefined;
  };
}
