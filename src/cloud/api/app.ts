import { randomUUID } from 'node:crypto';
import { OpenAPIHono, type Hook } from '@hono/zod-openapi';
import type { Context, ErrorHandler, MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { routePath } from 'hono/route';
import { secureHeaders } from 'hono/secure-headers';
import { ENROLL_PATH } from '../../protocol/messages.ts';
import { isFault } from '../../support/errors.ts';
import type { ApiKeyRecord } from '../store/records.ts';
import { maskError } from '../writeback/mask.ts';
import { readiness } from '../writeback/readiness.ts';
import { ServiceError } from '../writeback/service-error.ts';
import { agentRoutes } from './agent-routes.ts';
import { authenticate } from './authenticate.ts';
import { callerOf, type ApiEnv, type ApiOptions } from './context.ts';
import { directoryRoutes } from './directory-routes.ts';
import { limitEnrollment } from './limit-enrollment.ts';
import { operationRoutes } from './operation-routes.ts';
import { problem, ProblemError, serviceProblem } from './problem.ts';

const MAX_BODY_BYTES = 16 * 1024;

/** The HTTP API. Every answer that is no success is a problem document; nothing it logs quotes a body. */
export function createApp(options: ApiOptions): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: invalid });
  app.use(requestId(options));
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    }),
  );
  app.use(noStore);
  app.use(endWithoutKey);
  healthRoutes(app, options);
  app.use('/v1/*', refuseWhileDraining(options.draining));
  app.use('/v1/*', limitBody);
  app.use(ENROLL_PATH, limitEnrollment(options));
  app.use('/v1/directories/:directory/*', authenticate(options.core));
  operationRoutes(app, options);
  agentRoutes(app, options);
  directoryRoutes(app, options);
  app.notFound((c) => problem(c, { code: 'NOT_FOUND', detail: 'there is nothing at this path' }));
  app.onError(onError(options));
  return app;
}

const invalid: Hook<unknown, ApiEnv, string, unknown> = (result, c) => {
  if (result.success) return undefined;
  return problem(c, {
    code: 'INVALID_REQUEST',
    detail: `look at \`errors\`: what is wrong in ${PLACES[result.target] ?? result.target}`,
    errors: result.error.issues.map(({ path, message }) => ({
      path: path.map(String).join('.'),
      detail: message,
    })),
  });
};

const PLACES: Partial<Record<string, string>> = {
  json: 'the body',
  param: 'the path',
  query: 'the query',
};

function requestId({ core }: ApiOptions): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const id = randomUUID();
    c.set('requestId', id);
    const startedAt = core.clock.monotonic();
    await next();
    c.header('x-request-id', id);
    const { method } = c.req;
    const path = routePath(c, -1); // as the routes spell it: whatever else is in a path is the caller's
    const ms = Math.round(core.clock.monotonic() - startedAt);
    const { status } = c.res;
    core.meters.requestServed({
      method: methodOf(method),
      route: path,
      status,
      seconds: ms / 1000,
    });
    core.log.debug('cloud.request_served', {
      requestId: id,
      method,
      path,
      status,
      ms,
    });
  };
}

/** A method is the caller's own text, too. */
function methodOf(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'].includes(method) ? method : 'OTHER';
}

const noStore: MiddlewareHandler = async (c, next) => {
  await next();
  c.header('cache-control', 'no-store');
};

/** Open connections are what strangers could keep from everybody else: only who has a key may keep one. */
const endWithoutKey: MiddlewareHandler<ApiEnv> = async (c, next) => {
  await next();
  const key = c.get('apiKey') as ApiKeyRecord | undefined; // most paths come without one
  if (key === undefined) c.header('connection', 'close');
};

function refuseWhileDraining(draining: AbortSignal): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    if (draining.aborted) {
      return problem(c, { code: 'STOPPING', detail: 'the service is stopping' });
    }
    await next();
    return undefined;
  };
}

/** Node itself sees to it that a body is not longer than its Content-Length says. */
const limitBody: MiddlewareHandler = async (c, next) => {
  if (c.req.header('transfer-encoding') !== undefined) {
    return problem(c, { code: 'LENGTH_REQUIRED', detail: 'the body has no Content-Length' });
  }
  if (Number(c.req.header('content-length') ?? 0) > MAX_BODY_BYTES) return tooLarge(c);
  await next();
  return undefined;
};

function tooLarge(c: Context): Response {
  return problem(c, {
    code: 'TOO_LARGE',
    detail: `a request has at most ${MAX_BODY_BYTES} bytes`,
  });
}

function healthRoutes(app: OpenAPIHono<ApiEnv>, { core, draining }: ApiOptions): void {
  app.get('/livez', (c) =>
    core.rounds.stuck.length === 0 ? c.text('ok\n') : c.text('stuck\n', 503),
  );
  app.get('/readyz', async (c) => {
    const problem = await readiness(core, draining);
    // Strangers can ask this: what is wrong is told on the health listener.
    return problem === undefined ? c.text('ok\n') : c.text('not ready\n', 503);
  });
}

function onError({ core }: ApiOptions): ErrorHandler<ApiEnv> {
  return (error, c) => {
    if (error instanceof ServiceError) {
      const key = c.get('apiKey') as ApiKeyRecord | undefined; // enrolment comes without one
      return serviceProblem(c, key === undefined ? error : maskError(callerOf(key), error));
    }
    if (error instanceof ProblemError) return problem(c, error.facts);
    if (error instanceof HTTPException) return fromHono(c, error);
    core.log.error('cloud.request_failed', {
      requestId: c.get('requestId'),
      name: error.name,
      code: isFault(error) ? error.code : undefined,
      where: (error.stack ?? '').split('\n    at ').slice(1, 6),
    });
    return problem(c, {
      ...(isFault(error) && error.retryable && { status: 503, retry: 'later' }),
      code: 'INTERNAL',
      detail: 'the service failed; its log has this request id',
    });
  };
}

/** What the framework itself refuses: its messages may quote the body, so they are not passed on. */
function fromHono(c: Context, error: HTTPException): Response {
  if (error.status === 415) {
    return problem(c, {
      code: 'UNSUPPORTED_MEDIA_TYPE',
      detail: 'the body is not said to be application/json',
    });
  }
  if (error.status === 413) return tooLarge(c);
  return problem(c, { code: 'INVALID_REQUEST', detail: 'the body is not valid JSON' });
}
