import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, type Usage } from './child.ts';
import type { FleetNews } from './fleet-child.ts';
import { BareServer, FleetProcess, serviceWithFleet, type FleetSize } from './fleet-process.ts';
import type { MeasuredService } from './measured-service.ts';
import { Tap } from './tap.ts';

/** Connections that are made and dropped first, so that what a process loads once is not counted. */
const WARM_UP = 64;
const SETTLE_MS = 3_000;
const TAPPED = 8;
const PINGS_WITHIN_MS = 60_000;
/** Where on the way to all connections memory is read, too. */
const STEPS = [0.25, 0.5, 0.75, 1];

export interface Held {
  readonly emptyRss: number;
  readonly fullRss: number;
  readonly perConnection: number;
  readonly steps: readonly HeldStep[];
}

interface HeldStep {
  readonly connections: number;
  readonly rss: number;
}

export interface IdleTraffic {
  /** Bytes that TCP carried for one ping with its pong, and for one status report. */
  readonly perPing: number;
  readonly perStatus: number;
  readonly perHour: number;
}

export interface SoakSample {
  readonly seconds: number;
  readonly rss: number;
}

export interface AtScale extends FleetSize {
  readonly bare: Held;
  readonly service: Held;
  readonly traffic: IdleTraffic;
  readonly soak: readonly SoakSample[];
}

export interface AtScaleOptions extends FleetSize {
  readonly soakMinutes: number;
  readonly progress: (line: string) => void;
}

/** So many agents on one node, each with keys and a TLS connection of its own, beside bare `wss` connections. */
export async function measureAtScale(options: AtScaleOptions): Promise<AtScale> {
  const { agents, progress } = options;
  progress(`scale: enrolling ${String(agents)} agents`);
  await using service = await serviceWithFleet(options);
  const bare = await measureBare(service, options);
  await service.start();
  await using tap = await Tap.start(service.port);
  using fleet = await FleetProcess.start(service);
  const held = await measureService(service, { fleet, tap }, options);
  const soak = await soakFor(service, options);
  const traffic = await measureTraffic({ fleet, tap }, options);
  return { agents, perDirectory: options.perDirectory, bare, service: held, traffic, soak };
}

async function measureBare(
  service: MeasuredService,
  { agents, progress }: AtScaleOptions,
): Promise<Held> {
  progress(`baseline: ${String(agents)} bare wss connections`);
  using server = await BareServer.start(service);
  using fleet = await FleetProcess.start(service);
  const { child, url } = server;
  await fleet.tell({ ask: 'hold', url, count: Math.min(WARM_UP, agents) });
  await fleet.tell({ ask: 'drop' });
  return await measureHeld(child, agents, (count) => fleet.tell({ ask: 'hold', url, count }));
}

async function measureService(
  service: MeasuredService,
  { fleet, tap }: { readonly fleet: FleetProcess; readonly tap: Tap },
  { agents, progress }: AtScaleOptions,
): Promise<Held> {
  await warmUp(service);
  progress(`service: connecting ${String(agents)} agents`);
  const tapped = {
    url: `https://127.0.0.1:${String(tap.port)}`,
    count: Math.min(TAPPED, agents),
  };
  const held = await measureHeld(service.child, agents, (count) =>
    fleet.tell({ ask: 'run', url: service.url, count, tap: tapped }),
  );
  const { up } = await fleet.tell<FleetNews>({ ask: 'news' });
  if (up !== agents) throw new Error(`${String(up)} of ${String(agents)} agents are connected`);
  return held;
}

/** A fleet of a few that goes away again. */
async function warmUp(service: MeasuredService): Promise<void> {
  using fleet = await FleetProcess.start(service);
  await fleet.tell({ ask: 'run', url: service.url, count: WARM_UP });
  await fleet.end();
}

async function soakFor(
  service: MeasuredService,
  { soakMinutes, progress }: AtScaleOptions,
): Promise<readonly SoakSample[]> {
  progress(`service: ${String(soakMinutes)} min of rest`);
  const samples: SoakSample[] = [];
  const began = Date.now();
  do {
    const { rss } = await ask<Usage>(service.child, 'usage');
    samples.push({ seconds: Math.round((Date.now() - began) / 1000), rss });
    await delay(Math.min(5_000, soakMinutes * 60_000));
  } while (Date.now() - began < soakMinutes * 60_000);
  return samples;
}

async function measureTraffic(
  { fleet, tap }: { readonly fleet: FleetProcess; readonly tap: Tap },
  { progress }: AtScaleOptions,
): Promise<IdleTraffic> {
  progress('service: counting what idle agents send');
  tap.take();
  await delay(PINGS_WITHIN_MS);
  await fleet.tell({ ask: 'report' });
  await delay(SETTLE_MS);
  const { smallBytes, smallPieces, largeBytes, largePieces } = tap.take();
  const perPing = (2 * smallBytes) / smallPieces; // half of them are the pongs
  const perStatus = largeBytes / largePieces;
  return { perPing, perStatus, perHour: (perPing * 3600) / 25 + (perStatus * 3600) / 300 };
}

/** Resident memory once it moves no more. */
async function settledRss(child: ChildProcess): Promise<number> {
  let last = Infinity;
  for (let i = 0; i < 10; i++) {
    await delay(SETTLE_MS);
    const { rss } = await ask<Usage>(child, 'usage');
    if (rss > last * 0.995) return Math.min(rss, last);
    last = rss;
  }
  return last;
}

/** The memory of a process with no connection, and at each step on the way to all of them. */
async function measureHeld(
  child: ChildProcess,
  all: number,
  connect: (count: number) => Promise<unknown>,
): Promise<Held> {
  const emptyRss = await settledRss(child);
  const steps: HeldStep[] = [{ connections: 0, rss: emptyRss }];
  let fullRss = emptyRss;
  for (const share of STEPS) {
    const connections = Math.ceil(all * share);
    await connect(connections);
    fullRss = await settledRss(child);
    steps.push({ connections, rss: fullRss });
  }
  return { emptyRss, fullRss, perConnection: (fullRss - emptyRss) / all, steps };
}
