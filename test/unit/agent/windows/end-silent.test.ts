import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { endSilent } from '../../../../src/agent/windows/end-silent.ts';
import { EVENTS } from '../../../../src/support/events.ts';
import type { EventEntry } from '../../../../src/support/windows/event-entry.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test('the Event Log is told why before the process is ended, once', async () => {
  const told: (EventEntry | 'ended')[] = [];
  const reportAside = (entry: EventEntry): Promise<void> => {
    told.push(entry);
    return Promise.resolve();
  };
  await endSilent({ reportAside }, () => told.push('ended'));
  await vi.advanceTimersByTimeAsync(60_000);
  const why = 'stuck: the agent itself has given no sign of life for 30 s';
  const entry = { level: 'error', id: EVENTS['agent.stuck'], texts: ['agent.stuck', why] };
  expect(told).toEqual([entry, 'ended']);
});

test('an Event Log that hangs, too, does not keep the process', async () => {
  const kill = vi.fn();
  void endSilent({ reportAside: () => new Promise(() => undefined) }, kill);
  await vi.advanceTimersByTimeAsync(1_999);
  expect(kill).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(kill).toHaveBeenCalledTimes(1);
});
