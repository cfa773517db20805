import { expect, test } from 'vitest';
import type { LocalPause } from '../../../src/agent/commands/guard/local-orders.ts';
import { PauseEnd } from '../../../src/agent/pause-end.ts';
import { timestamp } from '../../../src/protocol/shapes.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function scene() {
  const clock = new FakeClock(undefined, { autoAdvance: false });
  const stop = new AbortController();
  let pause: LocalPause | undefined;
  let looks = 0;
  const pauseEnd = new PauseEnd({
    pause: () =>
      pause?.until !== undefined && clock.now() >= Date.parse(pause.until) ? undefined : pause,
    onOver: () => {
      looks += 1;
      return Promise.resolve();
    },
    clock,
    signal: stop.signal,
  });
  const order = (ms: number | undefined): void => {
    const since = timestamp(clock.now());
    pause =
      ms === undefined ? undefined : { reason: 'x', since, until: timestamp(clock.now() + ms) };
    pauseEnd.look();
  };
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { clock, stop, order, pass, looks: () => looks };
}

test('the end of a timed pause is looked at when it comes, once', async () => {
  const { clock, order, pass, looks } = scene();
  order(600_000);
  await pass(599_999);
  expect(looks()).toBe(0);
  await pass(1);
  expect(looks()).toBe(1);
  expect(clock.sleeping).toBe(0);
});

test('the end that was ordered last counts, and one that was taken back counts no more', async () => {
  const { clock, order, pass, looks } = scene();
  order(60_000);
  order(120_000);
  await pass(60_000);
  expect(looks()).toBe(0);
  order(undefined);
  expect(clock.sleeping).toBe(0);
  await pass(60_000);
  expect(looks()).toBe(0);
});

test('a pause of weeks is looked at each hour, because clocks are set', async () => {
  const { order, pass, looks } = scene();
  order(30 * 86_400_000);
  await pass(3_600_000);
  await pass(3_600_000);
  expect(looks()).toBe(2);
});

test('an agent that stops waits for nothing', async () => {
  const { clock, stop, order, pass, looks } = scene();
  order(60_000);
  stop.abort();
  await pass(60_000);
  expect([looks(), clock.sleeping]).toEqual([0, 0]);
});
