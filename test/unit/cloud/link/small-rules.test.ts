import { expect, test } from 'vitest';
import { FrameBudget } from '../../../../src/cloud/link/frame-budget.ts';
import { ReplayCache } from '../../../../src/cloud/link/replay-cache.ts';
import { Spread } from '../../../../src/cloud/link/spread.ts';
import { isOlder } from '../../../../src/cloud/writeback/versions.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

test('an id is taken once until its time is over', () => {
  const cache = new ReplayCache();
  expect(cache.take('one', 'a', { until: 100, now: 0 })).toBe(true);
  expect(cache.take('one', 'a', { until: 100, now: 99 })).toBe(false);
  expect(cache.take('one', 'a', { until: 200, now: 100 })).toBe(true);
});

test('a full cache forgets what is over, and refuses rather than forget what is not', () => {
  const cache = new ReplayCache(2);
  expect(cache.take('one', 'a', { until: 100, now: 0 })).toBe(true);
  expect(cache.take('one', 'b', { until: 300, now: 0 })).toBe(true);
  expect(cache.take('one', 'c', { until: 300, now: 50 })).toBe(false);
  expect(cache.take('one', 'c', { until: 300, now: 150 })).toBe(true);
});

test('an agent that uses its share of tokens up locks out nobody else', () => {
  const cache = new ReplayCache(1);
  expect(cache.take('one', 'a', { until: 100, now: 0 })).toBe(true);
  expect(cache.take('one', 'b', { until: 100, now: 0 })).toBe(false);
  expect(cache.take('two', 'b', { until: 100, now: 0 })).toBe(true);
});

test.each([
  ['0.1.0', '0.1.0', false],
  ['0.0.9', '0.1.0', true],
  ['0.2.0', '0.1.0', false],
  ['0.10.0', '0.9.0', false],
  ['1.0.0-rc.1', '0.9.0', false],
  ['no version', '0.1.0', true],
  ['', '0.1.0', true],
])('%s is older than %s: %s', (version, than, older) => {
  expect(isOlder(version, than)).toBe(older);
});

test('a session may send so many frames in a while, and then again', () => {
  const clock = new FakeClock();
  const budget = new FrameBudget(clock);
  expect(Array.from({ length: 20_000 }, () => budget.take()).every(Boolean)).toBe(true);
  expect(budget.take()).toBe(false);
  clock.advance(10_000);
  expect(budget.take()).toBe(true);
});

test('agents are told to spread over as long as all of them take, counted once a minute', async () => {
  const clock = new FakeClock();
  let counted = 0;
  const count = (): Promise<number> => Promise.resolve([7_000, 18][counted++] ?? 0);
  const spread = new Spread({ store: { agents: { count } }, clock });
  expect(await spread.ms()).toBe(40_000);
  clock.advance(59_999);
  expect(await spread.ms()).toBe(40_000);
  clock.advance(1);
  expect(await spread.ms()).toBe(103);
});

test('a count that failed is made again for the next agent, and one is enough for all who come meanwhile', async () => {
  const clock = new FakeClock();
  let counted = 0;
  const count = (): Promise<number> => {
    counted += 1;
    return counted === 1 ? Promise.reject(new Error('no database')) : Promise.resolve(175);
  };
  const spread = new Spread({ store: { agents: { count } }, clock });
  await expect(spread.ms()).rejects.toThrow('no database');
  expect(await Promise.all([spread.ms(), spread.ms()])).toEqual([1_000, 1_000]);
  expect(counted).toBe(2);
});
