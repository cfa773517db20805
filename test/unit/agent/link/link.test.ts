import { expect, test } from 'vitest';
import { backoffDelay, refusedDelay, wishedDelay } from '../../../../src/agent/link/backoff.ts';
import { LinkError } from '../../../../src/agent/link/link-error.ts';
import { runAttempts, type Attempt } from '../../../../src/agent/link/loop.ts';
import { LinkMonitor } from '../../../../src/agent/link/link-report.ts';
import type { LinkState } from '../../../../src/agent/link/link-state.ts';
import type { SessionEnd } from '../../../../src/agent/link/session.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryLog } from '../../../support/memory-log.ts';

const URL = 'https://reset.example.com';

type Step = LinkError | Partial<SessionEnd>;

const LOST = { reason: 'the connection was lost', refused: false, upMs: 0, retryAfterMs: 0 };
const REFUSED = new LinkError('UNREACHABLE', 'connection refused');
const REVOKED = new LinkError('REVOKED', 'revoked');

/** Runs the loop over these attempts and drains when they are used up. */
async function run(steps: readonly Step[]): Promise<{
  slept: readonly number[];
  log: MemoryLog;
  states: readonly LinkState[];
}> {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const states: LinkState[] = [];
  const monitor = new LinkMonitor(clock);
  monitor.watch(({ state }) => states.push(state));
  const drain = new AbortController();
  const script = [...steps];
  const attempt: Attempt = async (_url, onEvent) => {
    const step = script.shift();
    if (step === undefined) {
      drain.abort();
      return LOST;
    }
    if (step instanceof LinkError) throw step;
    onEvent('open');
    if ((step.upMs ?? 0) > 0) onEvent('welcome');
    return { ...LOST, ...step };
  };
  await runAttempts(
    attempt,
    { urls: [URL], monitor, clock, log, random: () => 1 },
    { drain: drain.signal, abort: new AbortController().signal },
  );
  return { slept: clock.slept, log, states };
}

test('a service that cannot be reached is backed away from, up to a minute', async () => {
  const { slept } = await run(Array.from({ length: 8 }, () => REFUSED));
  expect(slept).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('only a link that stayed up for 30 s makes the next failure the first', async () => {
  const { slept } = await run([REFUSED, { upMs: 29_999 }, { upMs: 30_000 }, REFUSED]);
  expect(slept).toEqual([2_000, 4_000, 5_000, 5_000]);
});

test('after a healthy link a fleet spreads over 5 s, and over more as soon as backoff does', async () => {
  const { slept } = await run([{ upMs: 30_000 }, ...Array.from({ length: 5 }, () => REFUSED)]);
  expect(slept).toEqual([5_000, 5_000, 5_000, 8_000, 16_000, 32_000]);
});

test('the jitter is full: any delay between nothing and the ceiling', () => {
  expect(backoffDelay(3, false, () => 0)).toBe(0);
  expect(backoffDelay(3, false, () => 0.25)).toBe(2_000);
  expect(backoffDelay(2_000, false, () => 1)).toBe(60_000);
  expect(backoffDelay(0, true, () => 0.5)).toBe(2_500);
});

test('a longer wish of the service wins, a shorter one does not, an absurd one is cut', async () => {
  const { slept } = await run([
    { retryAfterMs: 90_000 },
    { retryAfterMs: 1 },
    { retryAfterMs: 1e12 },
  ]);
  expect(slept).toEqual([95_000, 5_001, 905_000]);
});

test('nobody comes before the time that the service has named, and not all of them right at it', () => {
  expect(wishedDelay(90_000, () => 0)).toBe(90_000);
  expect(wishedDelay(90_000, () => 0.5)).toBe(92_500);
  expect(wishedDelay(0, () => 1)).toBe(0);
});

test('what only a person can change is asked rarely, and said once', async () => {
  const { slept, log, states } = await run([REVOKED, REVOKED, REVOKED]);
  expect(slept).toEqual([900_000, 900_000, 900_000]);
  expect(refusedDelay(() => 0)).toBe(600_000);
  expect(log.of('link.rejected').map(({ level }) => level)).toEqual(['error', 'debug', 'debug']);
  expect(states).toContain('rejected');
});

test('the same reason is said once as a warning, another one again', async () => {
  const dns = new LinkError('UNREACHABLE', 'DNS does not answer');
  const { log } = await run([REFUSED, REFUSED, dns, REFUSED, { upMs: 40_000 }, REFUSED]);
  expect(log.of('link.dial_failed').map(({ level }) => level)).toEqual([
    'warn',
    'debug',
    'warn',
    'warn',
    'warn',
  ]);
});

test('the states are those of the table, from dialing to closed', async () => {
  const { states } = await run([{ upMs: 40_000 }]);
  expect(states).toEqual(['dialing', 'greeting', 'ready', 'waiting', 'dialing', 'closed']);
});

test('a bug in an attempt is not taken for a lost link', async () => {
  const attempt: Attempt = () => Promise.reject(new TypeError('bug'));
  const { signal } = new AbortController();
  const clock = new FakeClock();
  const monitor = new LinkMonitor(clock);
  await expect(
    runAttempts(
      attempt,
      { urls: [URL], monitor, clock, log: new MemoryLog(), random: () => 1 },
      { drain: signal, abort: signal },
    ),
  ).rejects.toThrow('bug');
});
