import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './child.ts';
import type { FleetNews } from './fleet-child.ts';
import type { MeasuredService } from './measured-service.ts';

/** Longer than it may take; whoever is not back by then is reported as missing. */
const GIVE_UP_MS = 180_000;
const LOOK_EVERY_MS = 250;
/** The first wave: whoever dials in the first seconds after the service listens again. */
const SHARES = [0.5, 0.9, 1] as const;

/** Agents that got no session, by what they say of it. Seconds count from when the service listens again. */
export interface Refused {
  readonly reason: string;
  readonly count: number;
  readonly firstSeconds: number;
  readonly lastSeconds: number;
}

export interface Storm {
  readonly signal: NodeJS.Signals;
  /** How long nobody listened. */
  readonly downSeconds: number;
  /** Seconds since the service listens again until this share of the agents is back; absent: never. */
  readonly back: readonly { readonly share: number; readonly seconds: number | undefined }[];
  readonly refused: readonly Refused[];
  /** How many were back, second by second. */
  readonly curve: readonly { readonly seconds: number; readonly up: number }[];
}

export interface StormOptions {
  readonly service: MeasuredService;
  readonly fleet: ChildProcess;
  readonly signal: NodeJS.Signals;
  readonly agents: number;
  readonly progress: (line: string) => void;
}

/** Stops the service with the signal, starts it again, and watches its agents come back. */
export async function measureStorm(options: StormOptions): Promise<Storm> {
  const { service, fleet, signal, agents, progress } = options;
  progress(`storm: ${signal}`);
  const { up: before } = await ask<FleetNews>(fleet, { ask: 'news' });
  const stoppedAt = Date.now();
  await service.stop(signal);
  await service.start();
  const listensAt = Date.now();
  const events: FleetNews['events'][number][] = [];
  let up = 0;
  do {
    await delay(LOOK_EVERY_MS);
    const news = await ask<FleetNews>(fleet, { ask: 'news' });
    events.push(...news.events);
    up = news.up;
  } while (up < agents && Date.now() - listensAt < GIVE_UP_MS);
  const secondsOf = (at: number): number => (at - listensAt) / 1000;
  const curve = upOverTime(events, before).map(({ at, up }) => ({ seconds: secondsOf(at), up }));
  return {
    signal,
    downSeconds: (listensAt - stoppedAt) / 1000,
    back: SHARES.map((share) => ({ share, seconds: reached(curve, share * agents) })),
    refused: refusals(events, secondsOf),
    curve: thinned(curve),
  };
}

interface Level {
  readonly at: number;
  readonly up: number;
}

function upOverTime(events: FleetNews['events'], before: number): readonly Level[] {
  const levels: Level[] = [];
  let up = before;
  for (const { kind, at } of events) {
    if (kind === 'failed') continue;
    up += kind === 'up' ? 1 : -1;
    levels.push({ at, up });
  }
  return levels;
}

/** When so many were back; they may have had to leave first. */
function reached(curve: Storm['curve'], wanted: number): number | undefined {
  const lowest = curve.reduce((low, { up }, i) => (up < (curve[low]?.up ?? 0) ? i : low), 0);
  return curve.slice(lowest).find(({ up }) => up >= wanted)?.seconds;
}

function refusals(
  events: FleetNews['events'],
  secondsOf: (at: number) => number,
): readonly Refused[] {
  const byReason = new Map<string, number[]>();
  for (const event of events) {
    if (event.kind !== 'failed') continue;
    const times = byReason.get(event.reason) ?? [];
    times.push(secondsOf(event.at));
    byReason.set(event.reason, times);
  }
  return [...byReason].map(([reason, times]) => ({
    reason,
    count: times.length,
    firstSeconds: Math.min(...times),
    lastSeconds: Math.max(...times),
  }));
}

/** The last of each quarter of a second. */
function thinned(curve: Storm['curve']): Storm['curve'] {
  const slots = new Map(curve.map((point) => [Math.floor(point.seconds * 4), point]));
  return [...slots.values()];
}
