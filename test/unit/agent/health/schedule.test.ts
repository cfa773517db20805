import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startSchedule, type Duties } from '../../../../src/agent/health/schedule.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOON = new Date(2030, 0, 1, 12).getTime(); // by the calendar of this machine, as the schedule is

interface Done {
  readonly duty: string;
  readonly afterMs: number;
}

let done: Done[];
let schedule: Disposable;

function does(duty: string): () => Promise<void> {
  return async () => {
    done.push({ duty, afterMs: Date.now() - NOON });
  };
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
  done = [];
  const duties: Duties = {
    probe: does('probe'),
    settleLeftOvers: does('settleLeftOvers'),
    report: does('report'),
    selfTest: does('selfTest'),
    rotateKeys: does('rotateKeys'),
    compactJournal: (when) => does(when)(),
  };
  schedule = startSchedule(duties);
});

afterEach(() => {
  schedule[Symbol.dispose]();
  vi.useRealTimers();
});

function timesOf(duty: string): readonly number[] {
  return done.filter((each) => each.duty === duty).map(({ afterMs }) => afterMs);
}

/** Each interval in a day, from the first time on. */
function each(intervalMs: number, firstMs: number): readonly number[] {
  return Array.from({ length: (24 * HOUR_MS) / intervalMs }, (_, n) => firstMs + n * intervalMs);
}

test('in a day every duty comes as often as it says, the journal compacted each hour and each night', async () => {
  await vi.advanceTimersByTimeAsync(24 * HOUR_MS + 1_000);
  expect(timesOf('probe')).toEqual(each(MINUTE_MS, MINUTE_MS));
  expect(timesOf('settleLeftOvers')).toEqual(each(MINUTE_MS, MINUTE_MS));
  expect(timesOf('report')).toEqual(each(5 * MINUTE_MS, 5 * MINUTE_MS));
  expect(timesOf('selfTest')).toEqual(each(10 * MINUTE_MS, 3 * MINUTE_MS));
  expect(timesOf('rotateKeys')).toEqual(each(10 * MINUTE_MS, 7 * MINUTE_MS));
  expect(timesOf('hourly')).toEqual(each(HOUR_MS, 17 * MINUTE_MS));
  expect(timesOf('daily')).toEqual([15 * HOUR_MS + 37 * MINUTE_MS]);
});

test('once it is disposed, nothing is due any more', async () => {
  schedule[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(2 * HOUR_MS);
  expect(done).toEqual([]);
});
