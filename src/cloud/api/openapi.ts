import { systemClock } from '../../support/clock.ts';
import { packageVersion } from '../../support/version.ts';
import { createApp } from './app.ts';
import { CODE_LIST, SERVICE_CODE_LIST } from './bodies.ts';
import type { ApiOptions } from './context.ts';

/** The OpenAPI 3.1 document of the HTTP API, from the very routes and schemas that serve it. */
export function openApiDocument(): object {
  // The routes are only described, never called.
  const core = { clock: systemClock } as ApiOptions['core'];
  const app = createApp({ core, draining: new AbortController().signal } as ApiOptions);
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of `passback-cloud key add`, bound to one directory and its scopes.',
  });
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Passback reset service',
      version: packageVersion(),
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      description: `Resets and unlocks Active Directory accounts through agents. Passwords travel sealed to the agents and are never seen here.\n\nOutcome codes:\n\n${CODE_LIST}\n\nCodes of the service's own:\n\n${SERVICE_CODE_LIST}`,
    },
    servers: [{ url: '/' }],
    tags: [{ name: 'Operations' }, { name: 'Agents' }, { name: 'Directory' }],
  });
}
