import type { EventLoopUtilityFunction } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { busyLoop } from '../../../src/cloud/busy-loop.ts';

/** An event loop that was at work, or waited, for as long as the test says. */
class Loop {
  idle = 0;
  active = 0;
  readonly utilization = 0; // of a span only

  readonly utilizationOf: EventLoopUtilityFunction = (later = this, earlier) => {
    const idle = later.idle - (earlier?.idle ?? 0);
    const active = later.active - (earlier?.active ?? 0);
    return { idle, active, utilization: active / (idle + active) };
  };

  passes({ idle, active }: { readonly idle: number; readonly active: number }): void {
    this.idle += idle;
    this.active += active;
  }
}

test.each([
  ['three quarters of the time', 25, 75, false],
  ['more than that', 24, 76, true],
  ['all of the time', 0, 100, true],
  ['hardly ever', 99, 1, false],
])('a loop that was at work %s', (_what, idle, active, busy) => {
  const loop = new Loop();
  const isBusy = busyLoop(loop.utilizationOf);
  loop.passes({ idle, active });
  expect(isBusy()).toBe(busy);
});

test('counted is the time since it was asked before, not all of its life', () => {
  const loop = new Loop();
  loop.passes({ idle: 9_000, active: 1_000 }); // before anybody asked
  const isBusy = busyLoop(loop.utilizationOf);
  loop.passes({ idle: 10, active: 90 });
  expect(isBusy()).toBe(true);
  loop.passes({ idle: 90, active: 10 });
  expect(isBusy()).toBe(false);
  loop.passes({ idle: 10, active: 90 });
  expect(isBusy()).toBe(true);
});
