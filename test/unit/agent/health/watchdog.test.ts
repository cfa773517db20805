import { expect, test } from 'vitest';
import { judge, Watchdog, type Progress } from '../../../../src/agent/health/watchdog.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const NOW = 10_000_000;
const WELL: Progress = {
  now: NOW,
  turnedAt: NOW - 1_000,
  probedAt: NOW - 60_000,
  link: { state: 'ready', movedAt: NOW - 25_000 },
  oldestCommandAt: undefined,
};

test.each<[string, Partial<Progress>, RegExp | undefined]>([
  ['all moves', {}, undefined],
  [
    'the loop does not turn',
    { turnedAt: NOW - 16_000 },
    /^the event loop has not turned for 16 s$/,
  ],
  [
    'probes do not end',
    { probedAt: NOW - 301_000 },
    /^no probe of the domain controllers has ended/,
  ],
  [
    'a dial does not end',
    { link: { state: 'dialing', movedAt: NOW - 121_000 } },
    /^the link is dialing and has not moved for 121 s$/,
  ],
  [
    'the next try is far away',
    { link: { state: 'rejected', movedAt: NOW + 3_600_000 } },
    undefined,
  ],
  ['the link is closed', { link: { state: 'closed', movedAt: 0 } }, undefined],
  ['a command takes its time', { oldestCommandAt: NOW - 500_000 }, undefined],
  [
    'a command hangs',
    { oldestCommandAt: NOW - 601_000 },
    /^a command has been worked on for 601 s$/,
  ],
])('when %s, the judgement says so', (_what, facts, stuck) => {
  const liveness = judge({ ...WELL, ...facts });
  expect(liveness).toEqual(
    stuck === undefined
      ? { alive: true }
      : { alive: false, stuck: [expect.stringMatching(stuck) as string] },
  );
});

function scene() {
  const clock = new FakeClock();
  const watchdog = new Watchdog({ clock, oldestCommandAt: () => undefined });
  const live = (seconds: number): void => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1_000);
      watchdog.turned();
    }
  };
  return { clock, watchdog, live };
}

test('an agent whose probes and link go on is alive for days', () => {
  const { watchdog, live } = scene();
  watchdog.linkMoved({ state: 'ready' });
  for (let minute = 0; minute < 2_000; minute++) {
    live(60);
    watchdog.probed();
    watchdog.heard();
    expect(watchdog.liveness).toEqual({ alive: true });
  }
});

test('an agent that waits for its next try is alive as long as it was told to wait, and a little', () => {
  const { clock, watchdog, live } = scene();
  watchdog.linkMoved({ state: 'rejected', nextTryAt: clock.now() + 240_000 });
  clock.setNow(clock.now() + 86_400_000); // a wall clock that is set changes nothing
  live(240 + 50);
  expect(watchdog.liveness).toEqual({ alive: true });
  watchdog.probed();
  live(80);
  expect(watchdog.liveness).toMatchObject({
    alive: false,
    stuck: [expect.stringMatching(/rejected/)],
  });
});

test('a machine that was asleep is given the time to wake up', () => {
  const { clock, watchdog, live } = scene();
  live(10);
  clock.advance(3_600_000);
  watchdog.turned();
  expect(watchdog.liveness).toEqual({ alive: true });
  live(301);
  expect(watchdog.liveness).toMatchObject({ alive: false });
});
