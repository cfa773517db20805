import { expect, test } from 'vitest';
import { NodeClocks } from '../../../../src/cloud/cluster/node-clocks.ts';

test('of several readings, the one that was on its way the shortest counts', () => {
  const clocks = new NodeClocks();
  // The other clock is 1,000 ahead of ours.
  clocks.note('b', 1_000, 1_500); // read 1,500 ms late
  expect(clocks.read('b', 1_500)).toBe(1_000);
  clocks.note('b', 3_000, 2_010); // 10 ms late
  clocks.note('b', 5_000, 5_000); // 1,000 ms late
  expect(clocks.read('b', 6_000)).toBe(6_990);
});

test('the estimate is never ahead of the clock itself, however late the readings are', () => {
  const clocks = new NodeClocks();
  const ahead = 12_345;
  for (let now = 0; now < 100_000; now += 2_000) {
    const lateMs = (now * 7_919) % 3_000;
    clocks.note('b', now + ahead - lateMs, now);
    expect(clocks.read('b', now)).toBeLessThanOrEqual(now + ahead);
  }
});

test('a clock that goes slower than ours is not put ahead by what it said long ago', () => {
  const clocks = new NodeClocks();
  const slower = (now: number) => now * 0.9999;
  for (let now = 0; now <= 3600_000; now += 2_000) clocks.note('b', slower(now), now);
  expect(clocks.read('b', 3600_000)).toBeLessThanOrEqual(slower(3600_000) + 10);
});

test('of a node that has said nothing for a minute, nothing is known', () => {
  const clocks = new NodeClocks();
  expect(clocks.read('b', 0)).toBeUndefined();
  clocks.note('b', 5, 0);
  expect(clocks.read('b', 60_001)).toBeUndefined();
  clocks.note('b', 5, 70_000);
  clocks.keep(new Set(['c']));
  expect(clocks.read('b', 70_000)).toBeUndefined();
});
