import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, startMeasured, type Usage } from './child.ts';
import { enrollFleet, type FleetMember } from './fleet.ts';
import type { FleetInput, FleetNews, FleetQuestion } from './fleet-child.ts';
import { MeasuredService } from './measured-service.ts';
import { measureStorm, type Storm } from './storm.ts';
import { Tap } from './tap.ts';

/** Connections that are made and dropped first, so that what a process loads once is not counted. */
const WARM_UP = 64;
const SETTLE_MS = 3_000;
const TAPPED = 8;
const PINGS_WITHIN_MS = 60_000;
const STABLE_MS = 31_000;
/** Far more than all connections take; a fleet that hangs must not hang the benchmark. */
const ANSWER_WITHIN_MS = 300_000;

export interface Held {
  readonly emptyRss: number;
  readonly fullRss: number;
  readonly perConnection: number;
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

export interface AtScale {
  readonly agents: number;
  readonly perDirectory: number;
  readonly bare: Held;
  readonly service: Held;
  readonly traffic: IdleTraffic;
  readonly soak: readonly SoakSample[];
  readonly storms: readonly Storm[];
}

export interface AtScaleOptions {
  readonly agents: number;
  /** Each is told of all others of its directory when it connects. */
  readonly perDirectory: number;
  readonly soakMinutes: number;
  readonly progress: (line: string) => void;
}

/** So many agents on one node, each with keys and a TLS connection of its own, beside bare `wss` connections. */
export async function measureAtScale(options: AtScaleOptions): Promise<AtScale> {
  const { agents, progress } = options;
  progress(`scale: enrolling ${String(agents)} agents`);
  let members: readonly FleetMember[] = [];
  await using service = await MeasuredService.create(async (store) => {
    members = await enrollFleet(store, agents, options.perDirectory);
  });
  const input: FleetInput = { ca: service.ca, issuer: service.issuer, members };
  await writeFile(service.file('fleet.json'), JSON.stringify(input), { mode: 0o600 });
  const bare = await measureBare(service, options);
  await service.start();
  await using tap = await Tap.start(service.port);
  const fleet = await startFleet(service);
  try {
    const held = await measureService(service, { fleet, tap }, options);
    const soak = await soakFor(service, options);
    const traffic = await measureTraffic({ fleet, tap }, options);
    const storms: Storm[] = [];
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await delay(STABLE_MS); // a link that was not up this long would count as a failing one
      storms.push(await measureStorm({ service, fleet, signal, agents, progress }));
    }
    return {
      agents,
      perDirectory: options.perDirectory,
      bare,
      service: held,
      traffic,
      soak,
      storms,
    };
  } finally {
    fleet.kill('SIGKILL');
  }
}

async function startFleet(service: MeasuredService): Promise<ChildProcess> {
  const fleet = startMeasured('fleet-child.js', [service.file('fleet.json')]);
  await once(fleet, 'message');
  return fleet;
}

async function tell<T>(fleet: ChildProcess, question: FleetQuestion): Promise<T> {
  const timer = setTimeout(() => fleet.kill('SIGKILL'), ANSWER_WITHIN_MS);
  try {
    return await ask<T>(fleet, question);
  } finally {
    clearTimeout(timer);
  }
}

async function measureBare(
  service: MeasuredService,
  { agents, progress }: AtScaleOptions,
): Promise<Held> {
  progress(`baseline: ${String(agents)} bare wss connections`);
  const { certificateFile, keyFile } = service;
  const server = startMeasured('bare-server-child.js', [certificateFile, keyFile]);
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  const fleet = await startFleet(service);
  const url = `wss://127.0.0.1:${String(port)}`;
  try {
    await tell(fleet, { ask: 'hold', url, count: Math.min(WARM_UP, agents) });
    await tell(fleet, { ask: 'drop' });
    const emptyRss = await settledRss(server);
    await tell(fleet, { ask: 'hold', url, count: agents });
    return toHeld(emptyRss, await settledRss(server), agents);
  } finally {
    fleet.kill('SIGKILL');
    server.kill('SIGKILL');
  }
}

async function measureService(
  service: MeasuredService,
  { fleet, tap }: { readonly fleet: ChildProcess; readonly tap: Tap },
  { agents, progress }: AtScaleOptions,
): Promise<Held> {
  await warmUp(service);
  const emptyRss = await settledRss(service.child);
  progress(`service: connecting ${String(agents)} agents`);
  const tapped = {
    url: `https://127.0.0.1:${String(tap.port)}`,
    count: Math.min(TAPPED, agents),
  };
  await tell(fleet, { ask: 'run', url: service.url, count: agents, tap: tapped });
  const fullRss = await settledRss(service.child);
  const { up } = await tell<FleetNews>(fleet, { ask: 'news' });
  if (up !== agents) throw new Error(`${String(up)} of ${String(agents)} agents are connected`);
  return toHeld(emptyRss, fullRss, agents);
}

/** A fleet of a few that goes away again. */
async function warmUp(service: MeasuredService): Promise<void> {
  const fleet = await startFleet(service);
  await tell(fleet, { ask: 'run', url: service.url, count: WARM_UP });
  fleet.kill('SIGKILL');
  await once(fleet, 'exit');
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
  { fleet, tap }: { readonly fleet: ChildProcess; readonly tap: Tap },
  { progress }: AtScaleOptions,
): Promise<IdleTraffic> {
  progress('service: counting what idle agents send');
  tap.take();
  await delay(PINGS_WITHIN_MS);
  await tell(fleet, { ask: 'report' });
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

function toHeld(emptyRss: number, fullRss: number, count: number): Held {
  return { emptyRss, fullRss, perConnection: (fullRss - emptyRss) / count };
}
