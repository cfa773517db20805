import { expect, test } from 'vitest';
import {
  nextStatus,
  STARTING,
  type ServiceEvent,
} from '../../../../src/agent/windows/service-status.ts';
import { silenceWatchdog } from '../../../../src/agent/windows/silence-watchdog.ts';

const started: ServiceEvent = { type: 'started' };
const beat: ServiceEvent = { type: 'beat' };
const stopping: ServiceEvent = { type: 'stopping' };
const ended: ServiceEvent = { type: 'ended', exitCode: 0 };
const ticks = (count: number): readonly ServiceEvent[] =>
  Array<ServiceEvent>(count).fill({ type: 'tick' });

/** After how many of the events, each time, the agent was to be ended. */
function endings(...events: readonly ServiceEvent[]): readonly number[] {
  const found: number[] = [];
  let [status, seen] = [STARTING, 0];
  const watch = silenceWatchdog(() => found.push(seen));
  for (const event of events) {
    seen += 1;
    status = nextStatus(status, event);
    watch(event, status.state);
  }
  return found;
}

test('one that has fallen silent is ended after thirty seconds, once', () => {
  expect(endings(beat, started, ...ticks(100))).toEqual([32]);
});

test.each<[string, readonly ServiceEvent[]]>([
  [
    'gives beats',
    [
      started,
      ...Array<readonly ServiceEvent[]>(50)
        .fill([...ticks(29), beat])
        .flat(),
    ],
  ],
  ['has not started yet', [beat, ...ticks(500)]],
  ['was told to stop', [started, beat, ...ticks(29), stopping, ...ticks(500)]],
  ['was told to stop while it started', [stopping, started, ...ticks(500)]],
  ['has ended', [started, beat, ended, ...ticks(500)]],
])('one that %s is never ended', (_name, events) => {
  expect(endings(...events)).toEqual([]);
});

test('a slow start is no silence', () => {
  expect(endings(...ticks(100), beat, started, ...ticks(29), beat, ...ticks(29))).toEqual([]);
});
