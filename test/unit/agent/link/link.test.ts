import { expect, test } from 'vitest';
import {
  backoffDelay,
  refusedDelay,
  turnedAwayDelay,
  wishedDelay,
} from '../../../../src/agent/link/backoff.ts';
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
const TURNED_AWAY = new LinkError('TURNED_AWAY', 'the connection was cut');
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

function times(count: number, step: Step): readonly Step[] {
  return Array.from({ length: count }, () => step);
}

test('a service that cannot be reached is backed away from, up to a minute', async () => {
  const { slept } = await run(times(8, REFUSED));
  expect(slept).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('only a link that stayed up for 30 s makes the next failure the first', async () => {
  const { slept } = await run([REFUSED, { upMs: 29_999 }, { upMs: 30_000 }, REFUSED]);
  expect(slept).toEqual([2_000, 4_000, 5_000, 5_000]);
});

test('after a healthy link a fleet spreads over 5 s, and over more as soon as backoff does', async () => {
  const { slept } = await run([{ upMs: 30_000 }, ...times(5, REFUSED)]);
  expect(slept).toEqual([5_000, 5_000, 5_000, 8_000, 16_000, 32_000]);
});

test('the jitter is full: any delay between nothing and the ceiling', () => {
  expect(backoffDelay(3, 0, () => 0)).toBe(0);
  expect(backoffDelay(3, 0, () => 0.25)).toBe(2_000);
  expect(backoffDelay(2_000, 0, () => 1)).toBe(60_000);
  expect(backoffDelay(0, 5_000, () => 0.5)).toBe(2_500);
  expect(turnedAwayDelay(1, 48_000, () => 0)).toBe(0);
  expect(turnedAwayDelay(4, 48_000, () => 0.5)).toBe(3_000);
  expect(turnedAwayDelay(5, 48_000, () => 0.25)).toBe(3_000);
});

test('a fleet spreads over as long as its service has said that it needs, but no minute more', async () => {
  const told = await run([{ upMs: 30_000, spreadMs: 40_000 }, REFUSED, REFUSED]);
  expect(told.slept).toEqual([40_000, 40_000, 40_000]);
  const absurd = await run([{ upMs: 30_000, spreadMs: 1e9 }, REFUSED]);
  expect(absurd.slept).toEqual([60_000, 60_000]);
  const small = await run([{ upMs: 30_000, spreadMs: 80 }, REFUSED]);
  expect(small.slept).toEqual([5_000, 5_000]);
});

test('who is turned away by a service that is there comes back soon, and less soon after some times', async () => {
  const { slept } = await run([{ upMs: 30_000, spreadMs: 48_000 }, ...times(8, TURNED_AWAY)]);
  const [first, ...turnedAway] = slept;
  expect(first).toBe(48_000);
  expect(turnedAway.slice(0, 4)).toEqual([6_000, 6_000, 6_000, 6_000]);
  expect(turnedAway.slice(4)).toEqual([12_000, 24_000, 48_000, 60_000]);
});

test('who is turned away for days goes on coming once a minute at the most', async () => {
  const { slept } = await run(times(1_100, TURNED_AWAY));
  expect(new Set(slept.slice(10))).toEqual(new Set([60_000]));
});

test('the service that is there after an outage is not asked as rarely as the outage was', async () => {
  const { slept } = await run([...times(6, REFUSED), TURNED_AWAY, TURNED_AWAY, REFUSED]);
  expect(slept.slice(5)).toEqual([60_000, 2_000, 2_000, 60_000]);
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

interface Tried {
  readonly url: string;
  readonly at: number;
}

/** Runs the loop over these addresses, each with what it does by the number of the try there. */
async function runOver(
  behaviour: Readonly<Record<string, (tries: number) => Step>>,
  tries: number,
): Promise<{ tried: readonly Tried[]; monitor: LinkMonitor; log: MemoryLog; clock: FakeClock }> {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const monitor = new LinkMonitor(clock);
  const drain = new AbortController();
  const tried: Tried[] = [];
  const attempt: Attempt = async (url, onEvent) => {
    if (tried.length === tries) {
      drain.abort();
      return LOST;
    }
    const earlier = tried.filter((other) => other.url === url).length;
    tried.push({ url, at: clock.monotonic() });
    const step = behaviour[url]?.(earlier) ?? REFUSED;
    if (step instanceof LinkError) throw step;
    onEvent('open');
    if ((step.upMs ?? 0) > 0) onEvent('welcome');
    clock.advance(step.upMs ?? 0);
    return { ...LOST, ...step };
  };
  await runAttempts(
    attempt,
    { urls: Object.keys(behaviour), monitor, clock, log, random: () => 1 },
    { drain: drain.signal, abort: new AbortController().signal },
  );
  return { tried, monitor, log, clock };
}

test('an address that fails is followed by the next one at once, and backoff counts rounds', async () => {
  const { tried } = await runOver({ a: () => REFUSED, b: () => REFUSED, c: () => REFUSED }, 9);
  expect(tried.map(({ url, at }) => `${url} ${at}`)).toEqual([
    ...['a 0', 'b 0', 'c 0'],
    ...['a 2000', 'b 2000', 'c 2000'],
    ...['a 6000', 'b 6000', 'c 6000'],
  ]);
});

test('after a healthy link the address that worked is asked first', async () => {
  const healthy = { upMs: 60_000 };
  const { tried } = await runOver({ a: () => REFUSED, b: (n) => (n === 0 ? healthy : REFUSED) }, 4);
  expect(tried.map(({ url, at }) => `${url} ${at}`)).toEqual(['a 0', 'b 0', 'b 65000', 'a 65000']);
});

test('an address that asks for time gets it, while another one is asked as usual', async () => {
  const busy = new LinkError('NOT_READY', 'the service is not ready (HTTP 503)', 60_000);
  const { tried } = await runOver({ a: () => busy, b: () => REFUSED }, 8);
  const toA = tried.filter(({ url }) => url === 'a').map(({ at }) => at);
  expect(toA[0]).toBe(0);
  expect(toA[1]).toBeGreaterThanOrEqual(65_000);
  expect(tried.filter(({ url }) => url === 'b').map(({ at }) => at)).toEqual([
    0, 2_000, 6_000, 14_000, 30_000, 62_000,
  ]);
});

test('one address that refuses for good does not keep the agent from another one', async () => {
  const { tried, monitor, log } = await runOver(
    { a: () => REVOKED, b: (n) => (n < 2 ? REFUSED : { upMs: 60_000 }) },
    4,
  );
  expect(tried.map(({ url }) => url)).toEqual(['a', 'b', 'b', 'b']);
  expect(log.of('link.rejected')).toHaveLength(1);
  expect(monitor.report.lastFailure).toMatchObject({ url: 'b', refused: false });
});

test('a link that is lost after it worked is shown as lost, whatever another address said before', async () => {
  const clock = new FakeClock();
  const monitor = new LinkMonitor(clock);
  const seen: string[] = [];
  monitor.watch(({ state, lastFailure }) => seen.push(`${state} ${lastFailure?.url ?? ''}`));
  const drain = new AbortController();
  let tries = 0;
  await runAttempts(
    (url, onEvent) => {
      tries += 1;
      if (tries === 4) drain.abort();
      if (url === 'a') return Promise.reject(REVOKED);
      if (tries > 2) return Promise.reject(REFUSED);
      onEvent('open');
      onEvent('welcome');
      clock.advance(600_000);
      return Promise.resolve({ ...LOST, upMs: 600_000 });
    },
    { urls: ['a', 'b'], monitor, clock, log: new MemoryLog(), random: () => 1 },
    { drain: drain.signal, abort: new AbortController().signal },
  );
  expect(seen).toEqual([
    ...['dialing ', 'rejected a', 'dialing a', 'greeting a', 'ready a'],
    ...['waiting b', 'dialing b', 'waiting b', 'dialing b', 'closed b'],
  ]);
});

test('a refusal for good is what is shown while the other addresses only fail', async () => {
  const clock = new FakeClock();
  const monitor = new LinkMonitor(clock);
  const seen: string[] = [];
  monitor.watch(({ state, lastFailure }) => seen.push(`${state} ${lastFailure?.url ?? ''}`));
  const drain = new AbortController();
  let tries = 0;
  await runAttempts(
    (url) => {
      tries += 1;
      if (tries === 4) drain.abort();
      return Promise.reject(url === 'a' ? REVOKED : REFUSED);
    },
    { urls: ['a', 'b'], monitor, clock, log: new MemoryLog(), random: () => 1 },
    { drain: drain.signal, abort: new AbortController().signal },
  );
  expect(seen).toEqual([
    ...['dialing ', 'rejected a', 'dialing a', 'rejected a'],
    ...['dialing a', 'rejected a', 'dialing a', 'closed a'],
  ]);
  const { lastFailure, disconnectedSince } = monitor.report;
  expect(lastFailure?.at).toBe(disconnectedSince); // when it was refused, not when the other one failed
});

test('the report has what an admin asks for first, and times that fit', async () => {
  const clock = new FakeClock();
  const start = clock.now();
  const monitor = new LinkMonitor(clock);
  expect(monitor.report).toEqual({ state: 'idle', since: start, disconnectedSince: start });
  monitor.dials('https://a', 'http://proxy:3128');
  monitor.enters('dialing');
  clock.advance(1_000);
  monitor.failed({ at: clock.now(), url: 'https://a', reason: 'refused', refused: false });
  monitor.waits(5_000);
  monitor.enters('waiting');
  expect(monitor.report).toEqual({
    state: 'waiting',
    since: start + 1_000,
    url: 'https://a',
    proxy: 'http://proxy:3128',
    disconnectedSince: start,
    lastFailure: { at: start + 1_000, url: 'https://a', reason: 'refused', refused: false },
    nextTryAt: start + 6_000,
  });
  clock.advance(5_000);
  monitor.waits();
  monitor.dials('https://b', undefined);
  monitor.welcomed('session');
  monitor.enters('ready');
  expect(monitor.report).toMatchObject({
    state: 'ready',
    session: 'session',
    connectedSince: start + 6_000,
    lastFailure: { reason: 'refused' },
  });
  expect(monitor.report).not.toHaveProperty('proxy');
  expect(monitor.report).not.toHaveProperty('nextTryAt');
  expect(monitor.report).not.toHaveProperty('disconnectedSince');
  clock.advance(1_000);
  monitor.enters('waiting');
  expect(monitor.report).toMatchObject({ disconnectedSince: start + 7_000 });
  expect(monitor.report).not.toHaveProperty('session');
});
