import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StoreError, type Store } from '../../../../src/cloud/store/store.ts';
import type { AgentSessions } from '../../../../src/cloud/writeback/agent-session.ts';
import type { Core } from '../../../../src/cloud/writeback/core.ts';
import { watchPauses } from '../../../../src/cloud/writeback/pause.ts';
import { sweep } from '../../../../src/cloud/writeback/sweep.ts';
import { Rounds } from '../../../../src/support/rounds.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryLog } from '../../../support/memory-log.ts';

const AN_HOUR_MS = 3600_000;
const RETENTION = { operationsMs: AN_HOUR_MS, auditMs: AN_HOUR_MS };

let clock: FakeClock;
let rounds: Rounds;
let stopping: AbortController;

beforeEach(() => {
  clock = new FakeClock(undefined, { autoAdvance: false });
  rounds = new Rounds(clock);
  stopping = new AbortController();
});

afterEach(() => {
  stopping.abort();
});

/** A store that answers every question in the same way. */
function storeThat(answer: () => Promise<never>): Store {
  const table = new Proxy({}, { get: () => answer }) as never;
  const store: Partial<Store> = { operations: table, audit: table, directories: table };
  return { ...store, scrub: answer } as Store;
}

function startLoops(store: Store): void {
  const sessions = { own: () => [] } as Partial<AgentSessions> as AgentSessions;
  const core = { store, clock, rounds, sessions, log: new MemoryLog() } as Partial<Core> as Core;
  void sweep(core, RETENTION, stopping.signal);
  void watchPauses(core, stopping.signal);
}

/** An hour, looked at every five seconds as the service manager has it looked at. */
async function stuckWithinAnHour(): Promise<readonly string[]> {
  for (let passed = 0; passed < AN_HOUR_MS; passed += 5_000) {
    clock.advance(5_000);
    await nextTurn();
    if (rounds.stuck.length > 1) break;
  }
  return rounds.stuck;
}

test('a database that is away does not get the service killed: its loops go on failing', async () => {
  startLoops(storeThat(() => Promise.reject(new StoreError('store: it cannot be reached'))));
  expect(await stuckWithinAnHour()).toEqual([]);
});

test('loops that wait for ever for an answer of the store are found stuck', async () => {
  startLoops(storeThat(() => new Promise(() => undefined)));
  expect(await stuckWithinAnHour()).toEqual([
    expect.stringMatching(/^the sweep has not come round for 60\d s$/),
    expect.stringMatching(/^the look at timed pauses has not come round for 60\d s$/),
  ]);
});

test('loops that have ended with the service are nothing that hangs', async () => {
  startLoops(storeThat(() => Promise.reject(new StoreError('store: it cannot be reached'))));
  stopping.abort();
  await nextTurn();
  expect(await stuckWithinAnHour()).toEqual([]);
});
