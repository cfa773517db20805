import type { Server, ServerResponse } from 'node:http';
import type { Clock } from '../../support/clock.ts';
import { inTime } from '../../support/in-time.ts';
import type { Logger } from '../../support/logger.ts';
import { localServer } from '../../support/local-server.ts';
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
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Logger;
}

interface Answers extends Omit<HealthOptions, 'status'> {
  readonly metricsText: () => Promise<string>;
  readonly statusText: () => Promise<string>;
}

/** Less than Prometheus waits. */
const ANSWER_WITHIN_MS = 8_000;
const MAX_CONNECTIONS = 64;

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
    statusText: sharedAnswer(async () => JSON.stringify(await options.status())),
  };
  return localServer(MAX_CONNECTIONS, (request, response) => {
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
  });
}

async function route(
  path: string,
  response: ServerResponse,
  { metrics, metricsText, statusText, readiness, stuck, warnings, clock }: Answers,
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
    await answerInTime(response, metricsText(), metrics.contentType, clock);
  } else if (path === '/status.json') {
    await answerInTime(response, statusText(), 'application/json', clock);
  } else {
    answer(response, 404, 'there are /livez, /readyz, /metrics and /status.json\n');
  }
}

async function answerInTime(
  response: ServerResponse,
  made: Promise<string>,
  type: string,
  clock: HealthOptions['clock'],
): Promise<void> {
  const text = await inTime(made, { ms: ANSWER_WITHIN_MS, clock, late: () => undefined });
  if (text === undefined) answer(response, 503, 'the database takes too long to answer\n');
  else answer(response, 200, text, type);
}

function answer(response: ServerResponse, status: number, text: string, type = TEXT): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(text);
}
