import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/support/clock.ts';
import { ask } from '../benchmark/child.ts';
import { Faults } from './faults.ts';
import { Load, type Tally } from './load.ts';
import type { Held } from './measured.ts';
import { openFiles, openWorld, type World } from './world.ts';

const ACCOUNTS = 40;
const CALLERS = 4;
/** Some 1,500 operations an hour: as many as a large company has on the day that the calendar shows. */
const REST_MS = 7_000;
/** The first minutes: V8 compiles what is used often, and what that takes is not to be taken for growth. */
const WITHOUT_REST = 3_000;
const LEAP_EVERY_MS = 120_000;
/**
 * Nothing is asked for so long after a leap: the agent remembers for 10 s what a controller said of
 * its clock, and that answer may have been held back.
 */
const REST_AFTER_LEAP_MS = 20_000;
const SAMPLE_EVERY_MS = 15_000;
/** Both sides go quiet before they are looked at for the last time. */
const SETTLE_MS = 10_000;

export type Program = 'agent' | 'service';

export interface Sample extends Held {
  /** Since the start, real ones. */
  readonly minutes: number;
  readonly files: number;
}

export interface Soak {
  readonly minutes: number;
  readonly speed: number;
  readonly faults: number;
  readonly tally: Tally;
  readonly passwordsWritten: number;
  readonly samples: Readonly<Record<Program, readonly Sample[]>>;
}

export interface SoakOptions {
  readonly minutes: number;
  /** How many times as fast as this machine's the calendar of both programs goes. */
  readonly speed: number;
  readonly progress: (line: string) => void;
}

/** Commands without end, and faults, for so many real minutes; and what both programs held meanwhile. */
export async function soak({ minutes, speed, progress }: SoakOptions): Promise<Soak> {
  const folder = await mkdtemp(join(tmpdir(), 'passback-soak-'));
  try {
    await using world = await openWorld({
      folder,
      speed,
      accounts: ACCOUNTS,
    });
    const { api, accounts } = world;
    const load = new Load({
      ...{ api, accounts, callers: CALLERS, restMs: REST_MS, restAfter: WITHOUT_REST },
      clock: systemClock,
    });
    const faults = new Faults(world, systemClock);
    const samples: Record<Program, Sample[]> = { agent: [], service: [] };
    const stop = new AbortController();
    const leaps = leap({ world, load, speed }, stop.signal);
    const work = Promise.all([load.run(stop.signal), faults.run(stop.signal), leaps]);
    const began = performance.now();
    const sample = async (): Promise<void> => {
      const at = (performance.now() - began) / 60_000;
      for (const [name, list] of Object.entries(samples)) {
        list.push(await sampleOf(world[name as Program], at));
      }
      progress(lineOf(at, samples, load.tally));
    };
    while (performance.now() - began < minutes * 60_000) {
      await Promise.race([systemClock.sleep(SAMPLE_EVERY_MS, stop.signal), work]);
      await sample();
    }
    stop.abort();
    await work;
    await systemClock.sleep(SETTLE_MS, new AbortController().signal);
    await sample();
    await endBoth(world);
    return {
      ...{ minutes, speed, samples },
      faults: faults.inflicted,
      tally: load.tally,
      passwordsWritten: world.passwordsWritten(),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Leaping {
  readonly world: World;
  readonly load: Load;
  readonly speed: number;
}

/** Keeps the calendar at `speed` times this machine's, in leaps of a time at which nothing is under way. */
async function leap({ world, load, speed }: Leaping, signal: AbortSignal): Promise<void> {
  const began = systemClock.monotonic();
  for (;;) {
    await systemClock.sleep(LEAP_EVERY_MS, signal);
    if (signal.aborted) return;
    await load.between(async () => {
      world.leapTo((systemClock.monotonic() - began) * (speed - 1));
      await systemClock.sleep(REST_AFTER_LEAP_MS, signal);
    });
  }
}

async function sampleOf(child: ChildProcess, minutes: number): Promise<Sample> {
  const files = await openFiles(child);
  return { minutes, files, ...(await ask<Held>(child, 'held')) };
}

/** They end by themselves when told to: a handle that keeps a process alive would show here. */
async function endBoth({ agent, service }: World): Promise<void> {
  for (const child of [agent, service]) {
    const ended = once(child, 'exit');
    child.send('stop');
    await ended;
  }
}

function lineOf(
  minutes: number,
  samples: Readonly<Record<Program, readonly Sample[]>>,
  tally: Tally,
): string {
  const parts = Object.entries(samples).map(([name, list]) => {
    const { rss, heap, handles, files } = list.at(-1) ?? { rss: 0, heap: 0, handles: 0, files: 0 };
    return `${name} ${mb(rss)} (heap ${mb(heap)}), ${handles} handles, ${files} files`;
  });
  const ended = Object.values(tally).reduce((sum, count) => sum + count, 0);
  return `${minutes.toFixed(1)} min  ${parts.join('; ')}; ${ended} operations`;
}

function mb(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
