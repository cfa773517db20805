import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { expiryWarnings, warnOfCertificateDaily } from '../../../../src/cloud/health/expiry.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryLog } from '../../../support/memory-log.ts';

const DAY_MS = 24 * 3600_000;
const NOON = new Date(2030, 0, 1, 12).getTime(); // by the calendar of this machine, as the schedule is

const inDays = (days: number): { expiresAt: number } => ({ expiresAt: NOON + days * DAY_MS });

test.each([
  ['31 days before', 31, []],
  ['29 days before', 29, [/^its TLS certificate ends at 2030-01-30.*: renew it in listen\./]],
  ['at its end', 0, [/^its TLS certificate ended at 2030-01-01/]],
])('the end of a certificate is warned of %s as it is: %s', (_, days, expected) => {
  const warnings = expiryWarnings({ keySet: inDays(365), certificate: inDays(days) }, NOON);
  expect(warnings).toHaveLength(expected.length);
  for (const [at, pattern] of expected.entries()) expect(warnings[at]).toMatch(pattern);
});

test.each([
  ['of 90 days, which is renewed 30 days before its end by itself', 90, 22.5],
  ['of 6 days', 6, 1.5],
  ['of 2 years', 730, 30],
])(
  'a certificate %s is warned of when the last quarter of its life begins, or 30 days are left',
  (_, life, warnedAt) => {
    const warningsWith = (left: number): readonly string[] =>
      expiryWarnings(
        {
          keySet: inDays(365),
          certificate: { startsAt: NOON + (left - life) * DAY_MS, ...inDays(left) },
        },
        NOON,
      );
    expect(warningsWith(warnedAt + 0.1)).toEqual([]);
    expect(warningsWith(warnedAt)).toHaveLength(1);
  },
);

test('a service behind a reverse proxy has no certificate to warn of, and its key set is', () => {
  const warningsAt = (days: number): readonly string[] =>
    expiryWarnings({ keySet: inDays(days), certificate: undefined }, NOON);
  expect(warningsAt(31)).toEqual([]);
  expect(warningsAt(29)).toMatchObject([expect.stringMatching(/key set ends at .*keys rotate/)]);
  expect(warningsAt(0)).toEqual([]); // readiness says so itself
});

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
});

afterEach(() => {
  vi.useRealTimers();
});

test.each([
  [31, []],
  [29, ['warn']],
  [0, ['error']],
])('a certificate with %s days left is logged at the start as %s', (days, levels) => {
  const log = new MemoryLog();
  using _ = warnOfCertificateDaily(inDays(days), { clock: new FakeClock(NOON), log });
  expect(log.of('cloud.certificate_expires').map(({ level }) => level)).toEqual(levels);
});

test('it is warned of each day from 30 days on, as an error from its end on, and not once it is renewed', async () => {
  const log = new MemoryLog();
  const clock = new FakeClock(NOON);
  const certificate = inDays(31);
  using _ = warnOfCertificateDaily(certificate, { clock, log });
  const levelsAfter = async (days: number): Promise<readonly string[]> => {
    const before = log.of('cloud.certificate_expires').length;
    for (let day = 0; day < days; day += 1) {
      clock.advance(DAY_MS);
      await vi.advanceTimersByTimeAsync(DAY_MS);
    }
    return log
      .of('cloud.certificate_expires')
      .slice(before)
      .map(({ level }) => level);
  };
  expect(await levelsAfter(3)).toEqual(['warn', 'warn', 'warn']);
  expect(await levelsAfter(29)).toEqual([
    ...Array.from({ length: 27 }, () => 'warn'),
    'error',
    'error',
  ]);
  certificate.expiresAt += 365 * DAY_MS;
  expect(await levelsAfter(3)).toEqual([]);
});
