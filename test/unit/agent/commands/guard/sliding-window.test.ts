import { expect, test } from 'vitest';
import { SlidingWindow } from '../../../../../src/agent/commands/guard/sliding-window.ts';

const WINDOW = 100;

test('an event counts for as long as the window and not a moment longer', () => {
  const window = new SlidingWindow(WINDOW);
  window.add('a', 'one', 0);
  expect([window.has('a', 'one', 99), window.has('b', 'one', 99)]).toEqual([true, false]);
  expect([window.count('a', 0), window.count('a', 99), window.count('a', 100)]).toEqual([1, 1, 0]);
});

test('an event that is added again counts once, from the first time', () => {
  const window = new SlidingWindow(WINDOW);
  window.add('a', 'one', 0);
  window.add('a', 'one', 50);
  expect([window.count('a', 99), window.count('a', 100)]).toEqual([1, 0]);
});

test('the wait is over when enough events have left, however many there are', () => {
  const window = new SlidingWindow(WINDOW);
  for (const at of [0, 10, 20]) window.add('a', `at ${at}`, at);
  const waits = [4, 3, 2, 1].map((limit) => window.waitMs('a', limit, 30));
  expect(waits).toEqual([0, 70, 80, 90]);
  expect(window.waitMs('nobody', 1, 30)).toBe(0);
});

test('what is forgotten does not count', () => {
  const window = new SlidingWindow(WINDOW);
  window.add('a', 'one', 0);
  window.add('b', 'two', 0);
  window.forget('a');
  expect([window.count('a', 1), window.count('b', 1)]).toEqual([0, 1]);
});

test('keys that nobody asks about again are not kept for ever', () => {
  const window = new SlidingWindow(WINDOW);
  for (let at = 0; at < 1_000; at++) window.add(`key ${at}`, 'one', at);
  expect(window.size).toBeLessThanOrEqual(2 * WINDOW);
});
