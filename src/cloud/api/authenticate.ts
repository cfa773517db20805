import type { MiddlewareHandler } from 'hono';
import { sha256 } from '../../protocol/digest.ts';
import type { ApiKeyRecord, Scope } from '../store/records.ts';
import type { Core } from '../writeback/core.ts';
import { hasScope, type ApiEnv } from './context.ts';
import { problem, ProblemError } from './problem.ts';

/** Requests of one key that are served at one time; the rest is asked to come back. */
const MAX_IN_FLIGHT = 256;

/** Lets a request through that carries an API key of the directory in its path. */
export function authenticate(core: Core): MiddlewareHandler<ApiEnv> {
  const inFlight = new Map<string, number>();
  return async (c, next) => {
    const key = await findKey(core, c.req.header('authorization'));
    if (key === undefined) {
      core.log.warn('cloud.request_refused', { status: 401, requestId: c.get('requestId') });
      return problem(c, {
        code: 'UNAUTHENTICATED',
        detail: 'there is no API key with the request, or none that is good',
      });
    }
    if (c.req.param('directory') !== key.directory) {
      // The same answer whether that directory exists or not.
      return problem(c, { code: 'FORBIDDEN', detail: 'this key is for another directory' });
    }
    const count = inFlight.get(key.id) ?? 0;
    if (count >= MAX_IN_FLIGHT) {
      return problem(c, {
        code: 'TOO_MANY_REQUESTS',
        detail: `more than ${MAX_IN_FLIGHT} requests of this key at one time`,
      });
    }
    inFlight.set(key.id, count + 1);
    c.set('apiKey', key);
    try {
      await next();
    } finally {
      const left = (inFlight.get(key.id) ?? 1) - 1;
      if (left > 0) inFlight.set(key.id, left);
      else inFlight.delete(key.id);
    }
    return undefined;
  };
}

/** Lets a request through whose key has the scope. */
export function requireScope(scope: Scope): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    assertScope(c.get('apiKey'), scope);
    await next();
  };
}

/** Throws the problem when the key lacks a scope that only the request's content names. */
export function assertScope(key: ApiKeyRecord, scope: Scope): void {
  if (hasScope(key, scope)) return;
  throw new ProblemError({
    code: 'FORBIDDEN',
    detail: `this key does not have the scope \`${scope}\``,
  });
}

async function findKey(core: Core, header: string | undefined): Promise<ApiKeyRecord | undefined> {
  const key = /^Bearer (pbk_[A-Za-z0-9_-]{43})$/i.exec(header ?? '')?.[1];
  return key === undefined ? undefined : core.store.apiKeys.findByHash(sha256(key));
}
