import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { directoryStatus } from '../writeback/connectivity.ts';
import { readiness } from '../writeback/readiness.ts';
import { setToggle } from '../writeback/toggle.ts';
import { requireScope } from './authenticate.ts';
import {
  AuditQuery,
  AuditView,
  DirectoryParam,
  StatusView,
  ToggleRequest,
  ToggleAnswer,
} from './bodies.ts';
import type { ApiEnv, ApiOptions } from './context.ts';
import { body, json, problems, SECURITY } from './route.ts';
import { viewAgent, viewAudit, viewToggle } from './views.ts';

const base = '/v1/directories/{directory}';

const statusRoute = createRoute({
  method: 'get',
  path: `${base}/status`,
  tags: ['Directory'],
  summary: 'How the directory is connected, the toggle, and what each agent last reported',
  security: SECURITY,
  middleware: requireScope('status'),
  request: { params: DirectoryParam },
  responses: { 200: json(StatusView, 'The status now.'), ...problems },
});

const toggleRoute = createRoute({
  method: 'put',
  path: `${base}/writeback`,
  tags: ['Directory'],
  summary: 'Turn writeback on or off',
  security: SECURITY,
  middleware: requireScope('admin'),
  request: { params: DirectoryParam, body: body(ToggleRequest) },
  responses: {
    200: json(ToggleAnswer, 'The toggle, signed and handed to every agent.'),
    ...problems,
  },
});

const auditRoute = createRoute({
  method: 'get',
  path: `${base}/audit`,
  tags: ['Directory'],
  summary: 'Who did what, newest first, with the agents’ signed outcomes',
  security: SECURITY,
  middleware: requireScope('admin'),
  request: { params: DirectoryParam, query: AuditQuery },
  responses: { 200: json(AuditView, 'One page.'), ...problems },
});

export function directoryRoutes(app: OpenAPIHono<ApiEnv>, { core, draining }: ApiOptions): void {
  app.openapi(statusRoute, async (c) => {
    const id = c.req.valid('param').directory;
    const directory = await core.store.directories.find(id);
    if (directory === undefined) throw new TypeError(`status: no directory ${id}`); // its key exists
    const status = await directoryStatus(core, directory, await readiness(core, draining));
    return c.json(
      {
        directory: id,
        connectivity: status.connectivity,
        summary: status.summary,
        ...(status.action !== undefined && { action: status.action }),
        writeback: viewToggle(directory.toggle, core.clock.now()),
        pendingOperations: status.pendingOperations,
        agents: status.agents.map(viewAgent),
      },
      200,
    );
  });

  app.openapi(toggleRoute, async (c) => {
    const { directory, actor } = c.get('apiKey');
    const wish = { ...c.req.valid('json'), by: actor };
    const { toggle, wasPaused } = await setToggle(core, directory, wish);
    return c.json({ ...viewToggle(toggle, core.clock.now()), wasEnabled: !wasPaused }, 200);
  });

  app.openapi(auditRoute, async (c) => {
    const { limit, before } = c.req.valid('query');
    const { directory } = c.req.valid('param');
    const { entries, next } = await core.store.audit.page(directory, limit, before);
    return c.json({ entries: entries.map(viewAudit), ...(next !== undefined && { next }) }, 200);
  });
}
