import { expect, test } from 'vitest';
import { keepTold, type News, type ServiceManager } from '../../../src/support/service-manager.ts';
import { openSystemd, textOf } from '../../../src/support/systemd.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const TURNS = 20;

interface Scene {
  readonly watchdogMs?: number;
  readonly stuck?: readonly string[];
}

/** A process that tells, in time that the test owns. */
function scene({ watchdogMs, stuck = [] }: Scene = {}): {
  readonly news: News[];
  readonly complaints: (readonly string[])[];
  readonly clock: FakeClock;
  readonly drain: AbortController;
  readonly isOver: Promise<void>;
  /** Lets everything that is due happen. */
  readonly pass: (ms: number) => Promise<void>;
  readonly end: () => void;
} {
  const clock = new FakeClock(undefined, { autoAdvance: false });
  const news: News[] = [];
  const complaints: (readonly string[])[] = [];
  const manager: ServiceManager = { watchdogMs, tell: (one) => void news.push(one) };
  const [drain, ended] = [new AbortController(), new AbortController()];
  const told = {
    ...{ manager, clock },
    status: () => 'running, ready',
    stuck: () => stuck,
    onStuck: (why: readonly string[]) => void complaints.push(why),
  };
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    for (let turn = 0; turn < TURNS; turn++) await Promise.resolve();
  };
  const isOver = keepTold(told, drain.signal, ended.signal);
  const end = (): void => {
    ended.abort();
  };
  return { ...{ news, complaints, clock, drain, isOver }, pass, end };
}

test('the service manager hears once that the process is up, and again and again how it is', async () => {
  const { news, pass, end, isOver } = scene();
  await pass(0);
  await pass(5_000);
  end();
  await isOver;
  expect(news).toEqual([
    { phase: 'ready', status: 'running, ready', alive: true },
    { status: 'running, ready', alive: true },
  ]);
});

test('a watchdog hears three times within the time it waits', async () => {
  const { clock, pass, end, isOver } = scene({ watchdogMs: 6_000 });
  await pass(0);
  await pass(2_000);
  end();
  await isOver;
  expect(clock.slept).toEqual([2_000, 2_000]);
});

test('a process that does not get on is not called alive, and says why once', async () => {
  const { news, complaints, pass, end, isOver } = scene({ stuck: ['the link has not moved'] });
  await pass(0);
  await pass(5_000);
  end();
  await isOver;
  expect(complaints).toEqual([['the link has not moved']]);
  expect(news.some(({ alive }) => alive)).toBe(false);
  expect(news.at(-1)).toEqual({ status: 'stuck: the link has not moved' });
});

test('told to stop, it says so at once, and asks for time until it has ended', async () => {
  const { news, drain, pass, end, isOver } = scene();
  await pass(0);
  drain.abort();
  await pass(0);
  await pass(5_000);
  end();
  await isOver;
  const stopping = {
    status: 'stopping: finishing what has begun',
    alive: true,
    moreTimeMs: 20_000,
  };
  expect(news.slice(1)).toEqual([{ phase: 'stopping', ...stopping }, stopping]);
});

test('news are written as systemd reads them, and no line can be smuggled in', () => {
  expect(textOf({ phase: 'ready', status: 'up\nSTOPPING=1\u2028x', alive: true })).toBe(
    'READY=1\nWATCHDOG=1\nSTATUS=up STOPPING=1 x',
  );
  expect(textOf({ phase: 'stopping', moreTimeMs: 1_500 })).toBe(
    'STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000',
  );
});

test.each([
  [{}, undefined],
  [{ NOTIFY_SOCKET: '' }, undefined],
  [{ NOTIFY_SOCKET: 'vsock:2:1' }, undefined],
  [{ NOTIFY_SOCKET: '/run/x' }, { watchdogMs: undefined }],
  [{ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '30000000' }, { watchdogMs: 30_000 }],
  [{ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, { watchdogMs: 30_000 }],
  [
    { NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' },
    { watchdogMs: undefined },
  ],
  [{ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '0' }, { watchdogMs: undefined }],
])('%j: what systemd wants to hear', async (env, expected) => {
  const manager = await openSystemd(env, 7, () => Promise.resolve(() => true));
  expect(manager && { watchdogMs: manager.watchdogMs }).toEqual(expected);
});

test('a sign of life that did not get through is not given later, when there may be none', async () => {
  const sent: string[] = [];
  let works = false;
  const send = (text: string): boolean => works && sent.push(text) > 0;
  const manager = await openSystemd({ NOTIFY_SOCKET: '@x' }, 7, () => Promise.resolve(send));
  manager?.tell({ phase: 'ready', status: 'running', alive: true, moreTimeMs: 20_000 });
  works = true;
  manager?.tell({ status: 'stuck' });
  expect(sent).toEqual(['READY=1\nSTATUS=stuck']);
});

test('what did not get through is said with the next', async () => {
  const sent: string[] = [];
  let works = false;
  const send = (text: string): boolean => (works ? sent.push(text) > 0 : false);
  const manager = await openSystemd({ NOTIFY_SOCKET: '@x' }, 7, () => Promise.resolve(send));
  manager?.tell({ phase: 'ready', status: 'first' });
  works = true;
  manager?.tell({ status: 'second', alive: true });
  manager?.tell({ alive: true });
  expect(sent).toEqual(['READY=1\nWATCHDOG=1\nSTATUS=second', 'WATCHDOG=1']);
});
