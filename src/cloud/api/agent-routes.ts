import type { z } from '@hono/zod-openapi';
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { EnrollRequest, EnrollResponse } from '../../protocol/enrollment.ts';
import { ENROLL_PATH } from '../../protocol/messages.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { viewAgents, viewOf } from '../writeback/connectivity.ts';
import { approveAgent, revokeAgent } from '../writeback/decide-agents.ts';
import { disableAgent, enableAgent } from '../writeback/disable-agents.ts';
import { createEnrollmentToken, enroll } from '../writeback/enroll.ts';
import { requireScope } from './authenticate.ts';
import {
  AgentList,
  AgentParam,
  AgentView,
  ApproveRequest,
  DirectoryParam,
  DisableRequest,
  TokenView,
} from './bodies.ts';
import { callerOf, type ApiEnv, type ApiOptions } from './context.ts';
import { body, json, problems, SECURITY } from './route.ts';
import { viewAgent } from './views.ts';

const base = '/v1/directories/{directory}';
const middleware = requireScope('admin');

const enrollRoute = createRoute({
  method: 'post',
  path: ENROLL_PATH,
  tags: ['Agents'],
  summary: 'What `passback enroll` calls; authenticated by the token inside',
  request: { body: body(EnrollRequest) },
  responses: { 200: json(EnrollResponse, 'Enrolled, waiting for approval.'), ...problems },
});

const tokenRoute = createRoute({
  method: 'post',
  path: `${base}/enrollment-tokens`,
  tags: ['Agents'],
  summary: 'Make a one-time enrolment token, good for an hour',
  security: SECURITY,
  middleware,
  request: { params: DirectoryParam },
  responses: { 201: json(TokenView, 'Shown once.'), ...problems },
});

const listRoute = createRoute({
  method: 'get',
  path: `${base}/agents`,
  tags: ['Agents'],
  summary: 'List agents',
  security: SECURITY,
  middleware,
  request: { params: DirectoryParam },
  responses: { 200: json(AgentList, 'All agents, revoked ones too.'), ...problems },
});

const approveRoute = createRoute({
  method: 'post',
  path: `${base}/agents/{id}/approve`,
  tags: ['Agents'],
  summary: 'Approve a pending agent whose fingerprint a person has compared',
  security: SECURITY,
  middleware,
  request: { params: AgentParam, body: body(ApproveRequest) },
  responses: { 200: json(AgentView, 'Approved.'), ...problems },
});

const disableRoute = createRoute({
  method: 'post',
  path: `${base}/agents/{id}/disable`,
  tags: ['Agents'],
  summary: 'Keep an agent out until it is enabled, and close its session',
  security: SECURITY,
  middleware,
  request: { params: AgentParam, body: body(DisableRequest) },
  responses: { 200: json(AgentView, 'Disabled.'), ...problems },
});

const enableRoute = createRoute({
  method: 'post',
  path: `${base}/agents/{id}/enable`,
  tags: ['Agents'],
  summary: 'Let a disabled agent in again, without a new enrolment',
  security: SECURITY,
  middleware,
  request: { params: AgentParam },
  responses: { 200: json(AgentView, 'Enabled.'), ...problems },
});

const revokeRoute = createRoute({
  method: 'delete',
  path: `${base}/agents/{id}`,
  tags: ['Agents'],
  summary: 'Revoke an agent for good and close its session',
  security: SECURITY,
  middleware,
  request: { params: AgentParam },
  responses: { 200: json(AgentView, 'Revoked.'), ...problems },
});

export function agentRoutes(app: OpenAPIHono<ApiEnv>, { core }: ApiOptions): void {
  app.openapi(enrollRoute, async (c) =>
    c.json({ response: await enroll(core, c.req.valid('json')) }, 200),
  );

  app.openapi(tokenRoute, async (c) => {
    const { id, token, expiresAt } = await createEnrollmentToken(core, callerOf(c.get('apiKey')));
    return c.json({ id, token, expiresAt: timestamp(expiresAt) }, 201);
  });

  app.openapi(listRoute, async (c) => {
    const agents = await viewAgents(core, c.req.valid('param').directory);
    return c.json({ agents: agents.map(viewAgent) } satisfies z.infer<typeof AgentList>, 200);
  });

  app.openapi(approveRoute, async (c) => {
    const { id } = c.req.valid('param');
    const { fingerprint } = c.req.valid('json');
    const agent = await approveAgent(core, callerOf(c.get('apiKey')), { id, fingerprint });
    return c.json(viewAgent(viewOf(core, agent)), 200);
  });

  app.openapi(disableRoute, async (c) => {
    const { id } = c.req.valid('param');
    const { reason } = c.req.valid('json');
    const agent = await disableAgent(core, callerOf(c.get('apiKey')), { id, reason });
    return c.json(viewAgent(viewOf(core, agent)), 200);
  });

  app.openapi(enableRoute, async (c) => {
    const { id } = c.req.valid('param');
    const agent = await enableAgent(core, callerOf(c.get('apiKey')), id);
    return c.json(viewAgent(viewOf(core, agent)), 200);
  });

  app.openapi(revokeRoute, async (c) => {
    const { id } = c.req.valid('param');
    const agent = await revokeAgent(core, callerOf(c.get('apiKey')), id);
    return c.json(viewAgent(viewOf(core, agent)), 200);
  });
}
