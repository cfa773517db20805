import { expect, test } from 'vitest';
import { Standing } from '../../../src/agent/standing.ts';
import { timestamp } from '../../../src/protocol/shapes.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const DAY_MS = 86_400_000;

function scene(expiresInMs = 365 * DAY_MS): { clock: FakeClock; standing: Standing } {
  const clock = new FakeClock();
  return {
    clock,
    standing: new Standing({ number: 3, expiresAt: clock.now() + expiresInMs }, clock),
  };
}

test('before the service was heard there is nothing to complain about', () => {
  const { standing } = scene();
  expect(standing.reasons).toEqual({ failures: [], warnings: [] });
  expect(standing.skewMs).toBeUndefined();
});

test('clocks that differ by more than 30 s are both named, until one of them is set', () => {
  const { clock, standing } = scene();
  const serverTime = timestamp(clock.now() + 31_000);
  standing.take({ serverTime, approved: true });
  expect(standing.reasons.warnings).toEqual([
    expect.stringMatching(
      /31 s: this machine 2030-01-01T00:00:00.000Z, the service 2030-01-01T00:00:31/,
    ),
  ]);
  clock.setNow(clock.now() + 31_000);
  expect(standing.reasons.warnings).toEqual([]);
});

test('a clock that is set while a session lasts is noticed at once', () => {
  const { clock, standing } = scene();
  standing.take({ serverTime: timestamp(clock.now()), approved: true });
  clock.advance(3_600_000);
  expect(standing.skewMs).toBe(0);
  clock.setNow(clock.now() - 60_000);
  expect(standing.skewMs).toBe(60_000);
});

test('waiting for approval is said until the approval is heard, which is news once', () => {
  const { clock, standing } = scene();
  const serverTime = timestamp(clock.now());
  expect(standing.take({ serverTime, approved: false })).toBe(true);
  expect(standing.reasons.warnings).toEqual([expect.stringContaining('waiting for approval')]);
  expect(standing.take({ serverTime, approved: true })).toBe(true);
  expect(standing.take({ serverTime, approved: true })).toBe(false);
  expect(standing.reasons.warnings).toEqual([]);
});

test('the end of a key set is warned of for 30 days, and then it is the reason for everything', () => {
  const { clock, standing } = scene(31 * DAY_MS);
  expect(standing.reasons.warnings).toEqual([]);
  clock.advance(2 * DAY_MS);
  expect(standing.reasons.warnings).toEqual([
    expect.stringMatching(/key set 3 .* expires in 29 days.*keys rotate/),
  ]);
  clock.advance(30 * DAY_MS);
  expect(standing.reasons.failures).toEqual([expect.stringContaining('has expired')]);
});
