import { expect, test } from 'vitest';
import {
  nextStatus,
  STARTING,
  statusBytes,
  type ServiceEvent,
  type ServiceStatus,
} from '../../../../src/agent/windows/service-status.ts';

const tick: ServiceEvent = { type: 'tick' };
const started: ServiceEvent = { type: 'started' };
const stopping: ServiceEvent = { type: 'stopping' };
const ended = (exitCode = 0): ServiceEvent => ({ type: 'ended', exitCode });

function after(...events: readonly ServiceEvent[]): ServiceStatus {
  return events.reduce(nextStatus, STARTING);
}

test.each<[string, readonly ServiceEvent[], Partial<ServiceStatus>]>([
  ['it starts', [started], { state: 'running', checkPoint: 0 }],
  ['it takes its time to start', [tick, tick], { state: 'start-pending', checkPoint: 3 }],
  ['it runs and nothing happens', [started, tick], { state: 'running', checkPoint: 0 }],
  ['it is told to stop', [started, stopping], { state: 'stop-pending', checkPoint: 1 }],
  ['it drains', [started, stopping, tick, tick], { state: 'stop-pending', checkPoint: 3 }],
  ['it is told to stop twice', [started, stopping, tick, stopping], { checkPoint: 2 }],
  ['it is told to stop while it starts', [tick, stopping], { state: 'stop-pending' }],
  ['its start is over after it was told to stop', [stopping, started], { state: 'stop-pending' }],
  ['it ends after a drain', [started, stopping, ended()], { state: 'stopped', exitCode: 0 }],
  ['it cannot start', [ended(78)], { state: 'stopped', exitCode: 78 }],
  ['it fails while it runs', [started, ended(1)], { state: 'stopped', exitCode: 1 }],
  ['nothing follows the end', [ended(1), started, stopping, tick], { state: 'stopped' }],
])('%s', (_name, events, expected) => {
  expect(after(...events)).toMatchObject(expected);
});

test('what means nothing leaves the very same status, so that it is not reported again', () => {
  const running = after(started);
  expect(nextStatus(running, tick)).toBe(running);
  expect(nextStatus(running, started)).toBe(running);
});

test('one that does not get on stops giving signs of life, so that the manager sees it is stuck', () => {
  const stuck = after(...Array<ServiceEvent>(1_000).fill(tick));
  expect(stuck).toEqual({ state: 'start-pending', checkPoint: 120, exitCode: 0 });
  expect(nextStatus(stuck, started).state).toBe('running');
});

test.each<[string, readonly ServiceEvent[], readonly number[]]>([
  ['starting', [], [0x10, 2, 0, 0, 0, 1, 10_000]],
  ['running', [started], [0x10, 4, 0x105, 0, 0, 0, 0]],
  ['stopping', [started, stopping, tick], [0x10, 3, 0, 0, 0, 2, 10_000]],
  ['stopped', [ended()], [0x10, 1, 0, 0, 0, 0, 0]],
  ['failed', [ended(78)], [0x10, 1, 0, 1066, 78, 0, 0]],
])('a service that is %s looks to the manager as winsvc.h has it', (_name, events, expected) => {
  const bytes = statusBytes(after(...events));
  expect(bytes).toHaveLength(28);
  expect(expected.map((_value, index) => bytes.readUInt32LE(index * 4))).toEqual(expected);
});
