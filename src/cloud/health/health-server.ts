import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Logger } from '../../support/logger.ts';
import { foreignHost } from '../../support/own-host.ts';
import { sharedAnswer } from '../../support/shared-answer.ts';
import type { ServiceMetrics } from './metrics.ts';
import type { ServiceStatus } from './service-status.ts';

export interface HealthOptions {
  readonly metrics: ServiceMetrics;
  /** Why the service cannot do its work; undefined when it can. Never rejects. */
  readonly readiness: () => Promise<string | undefined>;
  /** What does not get on any more. */
  readonly stuck: () => readonly string[];
  /** What will stop it unless somebody acts, in words. */
  readonly warnings: () => readonly string[];
  /** Never rejects. */
  readonly status: () => Promise<ServiceStatus>;
  /** It listens on the loopback interface only. */
  readonly isLoopback: boolean;
  readonly log: Logger;
}

interface Answers extends HealthOptions {
  readonly metricsText: () => Promise<string>;
}

const TEXT = 'text/plain; charset=utf-8';

/**
 * What supervisors and Prometheus ask: `/livez`, `/readyz`, `/metrics`, `/status.json`; nothing can be changed
 * here. It has no key and no TLS, so it listens where strangers cannot reach it.
 */
export function createHealthServer(options: HealthOptions): Server {
  // Both ask the database about each directory, and anybody on this machine may ask for them.
  const answers = {
    ...options,
    metricsText: sharedAnswer(() => options.metrics.text()),
    status: sharedAnswer(options.status),
  };
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000 },
    (request, response) => {
      const foreign = options.isLoopback ? foreignHost(request.headers.host) : undefined;
      if (foreign !== undefined) {
        answer(response, 421, foreign);
        return;
      }
      const path = (request.url ?? '').split('?', 1)[0] ?? '';
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        answer(response, 405, 'only GET\n');
        return;
      }
      route(path, response, answers).catch((error: unknown) => {
        const name = error instanceof Error ? error.name : typeof error;
        options.log.error('cloud.request_failed', { path, name });
        answer(response, 500, 'look at the log\n');
      });
    },
  );
  server.maxConnections = 64;
  return server;
}

async function route(
  path: string,
  response: ServerResponse,
  { metrics, metricsText, readiness, stuck, warnings, status }: Answers,
): Promise<void> {
  if (path === '/livez') {
    const found = stuck();
    if (found.length === 0) answer(response, 200, 'ok\n');
    else answer(response, 503, `${found.join('\n')}\n`);
  } else if (path === '/readyz') {
    const problem = await readiness();
    const lines = [problem ?? 'ok', ...warnings()];
    answer(response, problem === undefined ? 200 : 503, `${lines.join('\n')}\n`);
  } else if (path === '/metrics') {
    answer(response, 200, await metricsText(), metrics.contentType);
  } else if (path === '/status.json') {
    answer(response, 200, JSON.stringify(await status()), 'application/json');
  } else {
    answer(response, 404, 'there are /livez, /readyz, /metrics and /status.json\n');
  }
}

function answer(response: ServerResponse, status: number, text: string, type = TEXT): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(text);
}
