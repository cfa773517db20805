import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { findOperation } from '../writeback/submit.ts';
import { closeOperation } from '../writeback/close-operation.ts';
import { isUnseen } from '../writeback/mask.ts';
import { prepare } from '../writeback/prepare.ts';
import { ServiceError } from '../writeback/service-error.ts';
import { assertScope, requireScope } from './authenticate.ts';
import {
  OperationParam,
  OperationView,
  DirectoryParam,
  PreferHeader,
  PreparedOperation,
  PrepareRequest,
  SubmitRequest,
} from './bodies.ts';
import { callerOf, type ApiEnv, type ApiOptions } from './context.ts';
import { preferredWaitMs } from './prefer.ts';
import { body, json, problems, SECURITY } from './route.ts';
import { viewOperation, viewPrepared } from './views.ts';

const prepareRoute = createRoute({
  method: 'post',
  path: '/v1/directories/{directory}/prepare',
  tags: ['Operations'],
  summary: 'Ask whether an operation would be taken, and what to seal the password to',
  security: SECURITY,
  request: { params: DirectoryParam, body: body(PrepareRequest) },
  responses: { 200: json(PreparedOperation, 'It would be taken.'), ...problems },
});

const submitRoute = createRoute({
  method: 'put',
  path: '/v1/directories/{directory}/operations/{id}',
  tags: ['Operations'],
  summary: 'Carry a prepared operation out; the same bytes again are harmless',
  description: 'With `Prefer: wait=20` the answer comes with the outcome, if there is one by then.',
  security: SECURITY,
  request: { params: OperationParam, headers: PreferHeader, body: body(SubmitRequest) },
  responses: {
    200: json(OperationView, 'The outcome.'),
    202: json(OperationView, 'No outcome yet; ask again at `Location`.'),
    ...problems,
  },
});

const readRoute = createRoute({
  method: 'get',
  path: '/v1/directories/{directory}/operations/{id}',
  tags: ['Operations'],
  summary: 'Read an operation of this key',
  security: SECURITY,
  request: { params: OperationParam, headers: PreferHeader },
  responses: { 200: json(OperationView, 'The operation as it is now.'), ...problems },
});

const closeRoute = createRoute({
  method: 'post',
  path: '/v1/directories/{directory}/operations/{id}/close',
  tags: ['Operations'],
  summary: 'End an operation of unknown outcome: no agent is asked about it any more',
  security: SECURITY,
  middleware: requireScope('admin'),
  request: { params: OperationParam },
  responses: { 200: json(OperationView, 'The operation, closed.'), ...problems },
});

/** Whether an account is absent or out of reach takes the agent different times; callers see one. */
const UNSEEN_AFTER_MS = 400;

export function operationRoutes(app: OpenAPIHono<ApiEnv>, options: ApiOptions): void {
  const { core, dispatcher, stopping } = options;
  app.openapi(prepareRoute, async (c) => {
    const { op, account, options: wished } = c.req.valid('json');
    assertScope(c.get('apiKey'), op);
    const caller = callerOf(c.get('apiKey'));
    const shownAt = core.clock.monotonic() + UNSEEN_AFTER_MS;
    const wish = { op, account, options: wished };
    const prepared = await prepare(core, caller, wish, stopping).catch(async (error: unknown) => {
      if (error instanceof ServiceError && isUnseen(caller, error.code)) {
        await core.clock.sleep(Math.max(0, shownAt - core.clock.monotonic()), stopping);
      }
      throw error;
    });
    return c.json(viewPrepared(prepared), 200);
  });

  app.openapi(submitRoute, async (c) => {
    const caller = callerOf(c.get('apiKey'));
    const operation = await findOperation(core, caller, c.req.valid('param').id);
    assertScope(c.get('apiKey'), operation.op);
    await dispatcher.submit(operation, c.req.valid('json').secret);
    const waitMs = preferredWaitMs(c.req.valid('header').prefer);
    const now = (await dispatcher.waitFor(operation.id, waitMs, stopping)) ?? operation;
    if (waitMs > 0) c.header('preference-applied', `wait=${waitMs / 1000}`);
    if (now.state !== 'pending') return c.json(viewOperation(caller, now), 200);
    c.header('location', c.req.path);
    return c.json(viewOperation(caller, now), 202);
  });

  app.openapi(closeRoute, async (c) => {
    const caller = callerOf(c.get('apiKey'));
    const closed = await closeOperation(core, caller, c.req.valid('param').id);
    dispatcher.release(closed);
    return c.json(viewOperation(caller, closed), 200);
  });

  app.openapi(readRoute, async (c) => {
    const caller = callerOf(c.get('apiKey'));
    const { id } = c.req.valid('param');
    await findOperation(core, caller, id);
    const waitMs = preferredWaitMs(c.req.valid('header').prefer);
    const now = await dispatcher.waitFor(id, waitMs, stopping);
    return c.json(viewOperation(caller, now ?? (await findOperation(core, caller, id))), 200);
  });
}
