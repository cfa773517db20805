import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal } from '../../src/agent/commands/journal.ts';
import { DirectoryError } from '../../src/agent/directory/directory.ts';
import type { Duties } from '../../src/agent/health/schedule.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { id, INTENT } from '../support/journal-samples.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';

/** As the unit for systemd has it. */
const WATCHDOG_MS = 30_000;
const MINUTE_S = 60;
const NEVER = new AbortController().signal;

let clock: FakeClock;
let directory: FakeDirectory;
let service: ScriptedService;
let agent: StartedAgent;
let duties: Duties;
/** When systemd last heard that the agent is alive, on the agent's clock. */
let aliveAt: number;

/** The whole agent with a clock of the test's, started by a systemd that watches it. */
beforeEach(async () => {
  clock = new FakeClock(Date.now(), { autoAdvance: false });
  directory = new FakeDirectory([], clock);
  aliveAt = 0;
  service = await ScriptedService.start();
  agent = await StartedAgent.enroll(service, {
    directory,
    clock,
    schedule: (given) => {
      duties = given;
      return { [Symbol.dispose]: () => {} };
    },
    serviceManager: {
      watchdogMs: WATCHDOG_MS,
      tell: ({ alive }) => {
        if (alive === true) aliveAt = clock.monotonic();
      },
    },
  });
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

/** Writes whose outcome an earlier life of the agent did not get to know, each on an account of its own. */
async function leaveOver(count: number): Promise<void> {
  const { log, stateFolder } = agent;
  const path = join(stateFolder, 'journal.jsonl');
  await using journal = await openJournal({ path, now: () => clock.now(), uuid: randomUUID, log });
  const at = new Date(clock.now() - 3_600_000).toISOString();
  for (let n = 1; n <= count; n++) {
    const ids = { cmd: id(n), jti: id(1_000 + n), objectGuid: id(2_000 + n) };
    await journal.append({ ...INTENT, ...ids, at, controllerTime: at, notAfter: at });
  }
}

/** What `node-cron` does with the duties of each minute: one that still runs is not started twice. */
class EachMinute {
  readonly #running = new Set<string>();

  begin(): void {
    for (const name of ['probe', 'settleLeftOvers'] as const) {
      if (this.#running.has(name)) continue;
      this.#running.add(name);
      void duties[name]().finally(() => this.#running.delete(name));
    }
  }
}

/**
 * Lets so much of the agent's time pass, or less: until systemd would end it. Whether it would. None
 * passes before `isDue`: what this machine's disk takes is none of the agent's time.
 */
async function isEndedWithin(seconds: number, isDue = () => true): Promise<boolean> {
  const minutely = new EachMinute();
  for (let second = 0; second < seconds; second++) {
    if (second % MINUTE_S === 0) minutely.begin();
    await eventually(isDue);
    clock.advance(1_000);
    // Real sockets, files and microtasks get their turn in between.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (clock.monotonic() - aliveAt > WATCHDOG_MS) return true;
  }
  return false;
}

function stuck(): unknown {
  return agent.log.of('agent.stuck').map(({ fields }) => fields.stuck);
}

async function start(): Promise<void> {
  agent.start();
  await eventually(() => agent.ready);
}

test('an agent that settles many left-overs slowly is never ended, and goes on asking its controllers', async () => {
  await leaveOver(200);
  let [begun, isReading] = [0, false];
  directory.read = async () => {
    begun += 1;
    isReading = true;
    await clock.sleep(4_000, NEVER);
    isReading = false;
    throw new DirectoryError('ACCOUNT_NOT_FOUND', 'it is gone');
  };
  let probes = 0;
  const check = directory.check.bind(directory);
  directory.check = (signal) => {
    probes += 1;
    return check(signal);
  };
  await start();
  expect(await isEndedWithin(13 * MINUTE_S, () => isReading || begun === 0)).toBe(false);
  expect(stuck()).toEqual([]);
  expect(begun).toBeGreaterThan(150); // at 4 s each it took far longer than probes may stay away
  expect(probes).toBeGreaterThanOrEqual(13);
});

test('an agent that hangs over a left-over is ended, and says over what', async () => {
  await leaveOver(2);
  directory.read = () => new Promise(() => {});
  await start();
  expect(await isEndedWithin(12 * MINUTE_S)).toBe(true);
  expect(stuck()).toEqual([[expect.stringMatching(/^a command has been worked on for 60\d s$/)]]);
});

test('an agent whose probes hang is ended, and says so', async () => {
  await start();
  directory.check = () => new Promise(() => {});
  expect(await isEndedWithin(7 * MINUTE_S)).toBe(true);
  expect(stuck()).toEqual([
    [expect.stringMatching(/^no probe of the domain controllers has ended for 30\d s$/)],
  ]);
});
