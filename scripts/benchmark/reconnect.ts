import { setTimeout as delay } from 'node:timers/promises';
import { AGENTS_PER_SECOND } from '../../src/cloud/link/spread.ts';
import { BareServer, FleetProcess, serviceWithFleet, type FleetSize } from './fleet-process.ts';
import type { MeasuredService } from './measured-service.ts';
import { watchReturn, type Returned } from './returned.ts';

/** A link that was not up this long would count as a failing one. */
const STABLE_MS = 31_000;
/** Agents spread over no less. */
const LEAST_SPREAD_MS = 5_000;

/** How a whole fleet came back to something. */
export interface Storm extends Returned {
  readonly what: string;
  /** How long nobody listened. */
  readonly downSeconds: number;
}

export interface Reconnect extends FleetSize {
  readonly storms: readonly Storm[];
}

export interface ReconnectOptions extends FleetSize {
  readonly progress: (line: string) => void;
}

/**
 * How soon so many agents are back after the service was killed and after it was stopped, beside as
 * many bare `wss` connections that are opened over the same time.
 */
export async function measureReconnect(options: ReconnectOptions): Promise<Reconnect> {
  const { agents, perDirectory, progress } = options;
  progress(`reconnect: enrolling ${String(agents)} agents`);
  await using service = await serviceWithFleet(options);
  const bare = await measureBareStorm(service, options);
  await service.start();
  using fleet = await FleetProcess.start(service);
  progress(`service: connecting ${String(agents)} agents`);
  await fleet.tell({ ask: 'run', url: service.url, count: agents });
  const storms = [bare];
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await delay(STABLE_MS);
    storms.push(await measureStorm(service, { fleet, signal }, options));
  }
  return { agents, perDirectory, storms };
}

async function measureBareStorm(
  service: MeasuredService,
  { agents, progress }: ReconnectOptions,
): Promise<Storm> {
  progress(`baseline: ${String(agents)} bare wss connections over the same time`);
  using server = await BareServer.start(service);
  using fleet = await FleetProcess.start(service);
  const spreadMs = Math.max(LEAST_SPREAD_MS, (agents * 1000) / AGENTS_PER_SECOND);
  const since = Date.now();
  await fleet.tell({ ask: 'return', url: server.url, count: agents, spreadMs });
  const returned = await watchReturn(fleet, { agents, before: 0, since });
  return { what: 'bare `wss` server', downSeconds: 0, ...returned };
}

/** Stops the service with the signal, starts it again, and watches its agents come back. */
async function measureStorm(
  service: MeasuredService,
  { fleet, signal }: { readonly fleet: FleetProcess; readonly signal: NodeJS.Signals },
  { agents, progress }: ReconnectOptions,
): Promise<Storm> {
  const what = signal === 'SIGKILL' ? 'kill -9' : signal;
  progress(`service: ${what}`);
  await fleet.tell({ ask: 'news' });
  const stoppedAt = Date.now();
  await service.stop(signal);
  await service.start();
  const since = Date.now();
  const returned = await watchReturn(fleet, { agents, before: agents, since });
  return { what, downSeconds: (since - stoppedAt) / 1000, ...returned };
}
