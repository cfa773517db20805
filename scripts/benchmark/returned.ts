import { setTimeout as delay } from 'node:timers/promises';
import type { FleetNews } from './fleet-child.ts';
import type { FleetProcess } from './fleet-process.ts';

/** Longer than it may take; whoever is not back by then is reported as missing. */
const GIVE_UP_MS = 180_000;
const LOOK_EVERY_MS = 250;
const SHARES = [0.5, 0.9, 1] as const;

/** Agents that got no session, by what they say of it. Seconds count from when the service listens again. */
export interface Refused {
  readonly reason: string;
  readonly count: number;
  readonly firstSeconds: number;
  readonly lastSeconds: number;
}

/** How the fleet came back. */
export interface Returned {
  /** Seconds since somebody listens again until this share of the agents is back; absent: never. */
  readonly back: readonly { readonly share: number; readonly seconds: number | undefined }[];
  readonly refused: readonly Refused[];
  /** How many were back, four times a second. */
  readonly curve: readonly { readonly seconds: number; readonly up: number }[];
}

export interface Awaited {
  readonly agents: number;
  /** How many were connected when the fleet was last asked for its news. */
  readonly before: number;
  /** When somebody listened again, on this machine's clock. */
  readonly since: number;
}

/** Watches a fleet until all of it is connected, or three minutes are over. */
export async function watchReturn(
  fleet: FleetProcess,
  { agents, before, since }: Awaited,
): Promise<Returned> {
  const events: FleetNews['events'][number][] = [];
  let up = 0;
  do {
    await delay(LOOK_EVERY_MS);
    const news = await fleet.tell<FleetNews>({ ask: 'news' });
    events.push(...news.events);
    up = news.up;
  } while (up < agents && Date.now() - since < GIVE_UP_MS);
  const secondsOf = (at: number): number => (at - since) / 1000;
  const curve = upOverTime(events, before).map(({ at, up }) => ({ seconds: secondsOf(at), up }));
  return {
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
function reached(curve: Returned['curve'], wanted: number): number | undefined {
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
function thinned(curve: Returned['curve']): Returned['curve'] {
  const slots = new Map(curve.map((point) => [Math.floor(point.seconds * 4), point]));
  return [...slots.values()];
}
