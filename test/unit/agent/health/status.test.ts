import { expect, test } from 'vitest';
import { Health } from '../../../../src/agent/health/health.ts';
import { fitReport } from '../../../../src/agent/health/fit-report.ts';
import { LocalStatus } from '../../../../src/agent/health/local-status.ts';
import { notReadyBecause } from '../../../../src/agent/health/readiness.ts';
import { buildReport, type StatusFacts } from '../../../../src/agent/health/status.ts';
import { StatusReport, type ControllerHealth } from '../../../../src/protocol/status.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { MemoryLog } from '../../../support/memory-log.ts';

const AT = Date.UTC(2030, 0, 1);
const DC: ControllerHealth = { name: 'dc1.corp.test', reachable: true, bound: true };
const KEY = 'k'.repeat(43);

const WELL: StatusFacts = {
  at: AT,
  startedAt: AT - 60_000,
  version: '0.1.0',
  controllers: [DC],
  journal: { epoch: '00000000-0000-4000-8000-00000000000e', seq: 7, open: 0 },
  journalProblem: undefined,
  toggle: { enabled: true, reason: '' },
  pause: undefined,
  breaker: { open: false, stoppedActors: 0 },
  dryRun: false,
  selfTest: undefined,
  clocks: [],
  standing: { failures: [], warnings: [] },
  keys: { device: KEY, sealing: KEY, sealingSince: new Date(AT).toISOString(), keySet: 1 },
  counters: { APPLIED: 7 },
};

const expiresIn = (days: number): ControllerHealth => ({
  ...DC,
  certificateExpiresAt: new Date(AT + days * 86_400_000).toISOString(),
});

test.each<[string, Partial<StatusFacts>, string, RegExp | undefined]>([
  ['all is well', {}, 'running', undefined],
  ['nothing has been asked yet', { controllers: undefined }, 'degraded', /asked yet/],
  ['paused', { toggle: { enabled: false, reason: 'audit' } }, 'paused', /service: audit/],
  [
    'the only controller is away',
    { controllers: [{ ...DC, reachable: false, bound: false, problem: 'refused' }] },
    'down',
    /no domain controller/,
  ],
  [
    'one of two controllers is away',
    { controllers: [DC, { ...DC, name: 'dc2', reachable: false, bound: false }] },
    'degraded',
    /^dc2: /,
  ],
  ['a certificate runs out', { controllers: [expiresIn(29)] }, 'degraded', /expires in 29 days/],
  ['a certificate is good for a month', { controllers: [expiresIn(31)] }, 'running', undefined],
  ['the journal cannot be written', { journalProblem: 'ENOSPC' }, 'down', /ENOSPC/],
  [
    'paused at the agent',
    {
      pause: {
        reason: 'audit',
        ...{ by: 'anna' }, // stays on the machine
        since: '2030-01-01T00:00:00.000Z',
        until: '2030-01-01T02:00:00.000Z',
      },
    },
    'paused',
    /^paused at the agent since 2030-01-01T00:00:00\.000Z until 2030-01-01T02:00:00\.000Z: audit$/,
  ],
  [
    'paused at the agent and by the service',
    {
      pause: { reason: 'audit', since: '2030-01-01T00:00:00.000Z' },
      toggle: { enabled: false, reason: 'theirs' },
    },
    'paused',
    /^paused at the agent since 2030-01-01T00:00:00\.000Z: audit$/,
  ],
  [
    'the breaker is open',
    {
      breaker: { open: true, stoppedActors: 0, trip: { at: '2030-01-01T00:00:00.000Z', count: 7 } },
    },
    'paused',
    /at 2030-01-01T00:00:00\.000Z after 7 writes; .* passback resume --breaker/,
  ],
  [
    'the breaker has stopped one caller',
    { breaker: { open: false, stoppedActors: 1 } },
    'degraded',
    /has stopped 1 of the callers/,
  ],
  ['it only rehearses', { dryRun: true }, 'degraded', /^dry run: nothing is written$/],
  [
    'the clocks differ',
    { standing: { failures: [], warnings: ['the clocks differ'] } },
    'degraded',
    /^the clocks differ/,
  ],
  [
    'the key set is over',
    { standing: { failures: ['key set 3 has expired'], warnings: [] } },
    'down',
    /^key set 3/,
  ],
  ['operations are open', { journal: { ...WELL.journal, open: 2 } }, 'degraded', /^2 operations/],
])('when %s, the state says so and why', (_what, facts, state, reason) => {
  const report = buildReport({ ...WELL, ...facts });
  expect(StatusReport.parse(report)).toEqual(report);
  expect(report.state).toBe(state);
  if (reason === undefined) expect(report.reasons).toEqual([]);
  else expect(report.reasons[0]).toMatch(reason);
});

test('what is down is down, paused or not', () => {
  const toggle = { enabled: false, reason: '' };
  expect(buildReport({ ...WELL, toggle, controllers: [] }).state).toBe('down');
});

test('a problem with control characters or without end does not make the report invalid', () => {
  const problem = `\u0000\n${'x'.repeat(2_000)}`;
  const controllers = [{ ...DC, bound: false, problem: 'bind refused' }];
  const report = buildReport({ ...WELL, journalProblem: problem, controllers });
  expect(StatusReport.safeParse(report).success).toBe(true);
});

test.each([
  'dc1.corp.test (10.0.0.1:637): nothing listens there',
  'the certificate of dc1.corp.test (10.0.0.1:636) has expired',
  'dc1.corp.test: no answer within 5000 ms',
])('a controller that its problem names is not named twice: %s', (problem) => {
  const controllers = [{ ...DC, name: 'dc1.corp.test', reachable: false, bound: false, problem }];
  expect(buildReport({ ...WELL, controllers }).reasons).toContain(problem);
});

/** As many as no report can carry, all of them away but those of these numbers. */
const manyBut = (...usable: readonly number[]): readonly ControllerHealth[] =>
  Array.from({ length: 200 }, (_, n) =>
    usable.includes(n)
      ? { ...DC, name: `dc${n}.corp.test` }
      : {
          ...DC,
          name: `dc${n}.corp.test`,
          reachable: false,
          bound: false,
          problem: 'p'.repeat(512),
        },
  );

test('with more controllers than a frame can carry, those with a problem are told of', () => {
  const controllers = Array.from({ length: 200 }, (_, n) => ({
    ...DC,
    name: `dc${n}.${'x'.repeat(100)}`,
    ...(n === 150 && { reachable: false, problem: 'p'.repeat(512) }),
  }));
  const told = fitReport(buildReport({ ...WELL, controllers }));
  expect(StatusReport.parse(told)).toEqual(told);
  expect(JSON.stringify(told).length).toBeLessThan(20_000);
  expect(told.controllers[0]?.name).toMatch(/^dc150/);
});

test('what a frame cannot carry counts all the same: readiness and what this machine is shown have it', () => {
  const report = buildReport({ ...WELL, controllers: manyBut(199), dryRun: true, clocks: ['off'] });
  expect(report.controllers).toHaveLength(200);
  expect(report.reasons).toEqual(expect.arrayContaining(['off', expect.stringMatching(/^dc198/)]));
  expect(LocalStatus.shape.status.parse(report)).toEqual(report);
  const told = fitReport(report);
  expect(StatusReport.parse(told)).toEqual(told);
  expect(told.controllers.some(({ bound }) => bound)).toBe(false);
  const link = { state: 'ready', since: AT } as const;
  const facts = { link, approved: true, draining: false, report };
  expect(notReadyBecause(facts)).toEqual([]);
  const none = buildReport({ ...WELL, controllers: manyBut() });
  expect(notReadyBecause({ ...facts, report: none })[0]).toBe('no domain controller can be used');
});

test('a controller that is away is asked again every five seconds, and seen when it is back', async () => {
  const clock = new FakeClock(AT, { autoAdvance: false });
  const directory = new FakeDirectory([], clock);
  const stop = new AbortController();
  const told: string[] = [];
  const health = new Health({
    directory,
    baseDns: [],
    facts: () => WELL,
    onChange: ({ state }) => told.push(state),
    clock,
    log: new MemoryLog(),
    signal: stop.signal,
  });
  directory.setHealth({ reachable: false, bound: false });
  await health.probe();
  await health.probe();
  expect(clock.slept).toEqual([5_000]);

  clock.advance(5_000);
  await eventually(() => {
    expect(clock.slept).toEqual([5_000, 5_000]);
  });
  directory.setHealth({});
  clock.advance(5_000);
  await eventually(() => {
    expect(told).toEqual(['down', 'running']);
  });
  expect(clock.sleeping).toBe(0);
});

test('what a probe found counts no more once a younger one has ended', async () => {
  const clock = new FakeClock(AT, { autoAdvance: false });
  const directory = new FakeDirectory([], clock);
  const ends: ((found: readonly ControllerHealth[]) => void)[] = [];
  directory.check = () => new Promise((resolve) => ends.push(resolve));
  const { health } = healthOn(clock, directory);
  const [older, younger] = [health.probe(), health.probe()];
  ends[1]?.([{ ...DC, reachable: false, bound: false }]);
  await younger;
  ends[0]?.([DC]);
  await older;
  expect(health.report.state).toBe('down');
});

function healthOn(clock: FakeClock, directory: FakeDirectory, log = new MemoryLog()) {
  const reasons: (readonly string[])[] = [];
  const health = new Health({
    directory,
    baseDns: ['OU=People,DC=corp,DC=test'],
    facts: () => ({ ...WELL, at: clock.now() }),
    onChange: (report) => reasons.push(report.reasons),
    clock,
    log,
    signal: new AbortController().signal,
  });
  return { health, reasons };
}

test('a controller whose clock is off is named with both clocks, once, until it is right', async () => {
  const clock = new FakeClock(AT);
  const directory = new FakeDirectory([], clock);
  const { health, reasons } = healthOn(clock, directory);
  for (const clockOffsetMs of [0, -45_000, -46_000, -44_000, 10_000]) {
    directory.setHealth({ clockOffsetMs });
    await health.probe();
    clock.advance(60_000);
  }
  expect(reasons).toEqual([
    [],
    [
      'the clocks differ by 45 s: this machine 2030-01-01T00:01:00.000Z, dc1.corp.test 2030-01-01T00:00:15.000Z: let both follow the same time (NTP)',
    ],
    [],
  ]);
});

test('what the service account may do holds while nobody answers, and no longer', async () => {
  const clock = new FakeClock(AT);
  const directory = new FakeDirectory([], clock);
  const { health, reasons } = healthOn(clock, directory);
  await health.probe();
  directory.setSelfTest({ passwordExpiresAt: AT + 7 * 86_400_000 });
  await health.selfTest();
  expect(health.report.rights?.resetPassword).toBe('granted');
  await directory[Symbol.asyncDispose]();
  await health.selfTest();
  expect(health.report).toMatchObject({ state: 'degraded', rights: { resetPassword: 'granted' } });
  expect(StatusReport.parse(health.report)).toEqual(health.report);
  expect(reasons).toEqual([
    [],
    [expect.stringMatching(/password of the service account expires in 7/)],
  ]);
});
