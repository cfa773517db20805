import { expect, test } from 'vitest';
import { judge } from '../../../src/agent/health/watchdog.ts';
import { LINK_STATES } from '../../../src/agent/link/link-state.ts';
import { redactLog, type LogAllowance } from '../../../src/support/bundle/redact-log.ts';
import { scrub } from '../../../src/support/bundle/scrub.ts';

const ALLOWANCE: LogAllowance = {
  codes: new Set(['APPLIED']),
  isKnownPlace: (text) => text.endsWith('.corp.test'),
  withAccounts: false,
};

const HEAD = {
  time: '2030-01-01T00:00:00.000Z',
  level: 'info',
  event: 'reset.applied',
  eventId: 31002,
};

function redacted(fields: object, allowance: Partial<LogAllowance> = {}): unknown {
  const line = JSON.stringify({ ...HEAD, ...fields });
  const { lines } = redactLog([line], 10, { ...ALLOWANCE, ...allowance });
  return lines.map((one) => JSON.parse(one) as unknown)[0];
}

test('known fields of a known event stay as they are', () => {
  const fields = {
    cmd: '11111111-2222-4333-8444-555555555555',
    code: 'APPLIED',
    controller: 'dc1.corp.test',
    controllers: 'dc1.corp.test dc2.corp.test',
    tookMs: 12.5,
    rules: ['length'],
    until: HEAD.time,
  };
  expect(redacted(fields)).toEqual({ ...HEAD, ...fields });
  expect(redacted({ code: 4001 })).toEqual({ ...HEAD, code: 4001 });
});

test.each(['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP', 'STOP', 'SHUTDOWN', 'PRESHUTDOWN'])(
  'it stays that %s has stopped the program',
  (signal) => {
    expect(redacted({ signal })).toEqual({ ...HEAD, signal });
  },
);

test('which trip of the breaker it was stays', () => {
  const trip = '11111111-2222-4333-8444-555555555555';
  expect(redacted({ trip })).toEqual({ ...HEAD, trip });
});

test.each(LINK_STATES)('what the watchdog says of a link that is %s stays', (state) => {
  const past = { turnedAt: 0, probedAt: 0, link: { state, movedAt: 0 }, oldestCommandAt: 0 };
  const liveness = judge({ now: 3_600_000, ...past });
  const stuck = liveness.alive ? [] : liveness.stuck;
  expect(stuck).toHaveLength(state === 'closed' ? 3 : 4);
  expect(redacted({ stuck })).toEqual({ ...HEAD, stuck });
});

test.each([
  [
    'a value of another shape',
    { code: 'Secret', tookMs: '12', cmd: 'x', rules: ['Secret'], until: 'never' },
  ],
  ['a signal that there is none of', { signal: 'Secret' }],
  ['a trip that is no UUID', { trip: 'Secret' }],
  [
    'a sentence that is not the watchdog’s',
    {
      stuck: [
        'the event loop has not turned for 20 s',
        'the link is Secret and has not moved for 9 s',
      ],
    },
  ],
  ['an object', { code: { a: 'APPLIED' }, controller: ['dc1.corp.test'] }],
  [
    'a host that nobody knows',
    { controller: 'secret.example', controllers: 'dc1.corp.test secret' },
  ],
  ['a field that nobody knows', { password: 'Secret', __proto__x: 1, Secret: true }],
])('%s is left out', (_, fields) => {
  expect(redacted(fields)).toEqual(HEAD);
});

test('sentences and names are left out, and it is said which', () => {
  const fields = { reason: 'anna did it', actor: 'key:1', where: ['a', 'b'] };
  expect(redacted(fields)).toEqual({ ...HEAD, omitted: ['reason', 'actor', 'where'] });
  expect(redacted(fields, { withAccounts: true })).toEqual({ ...HEAD, ...fields });
  expect(redacted({ reason: { a: 1 } }, { withAccounts: true })).toEqual({
    ...HEAD,
    omitted: ['reason'],
  });
});

test('the number is the event’s own, whatever the line says', () => {
  expect(redacted({ eventId: 'Secret' })).toEqual(HEAD);
});

test.each([
  'no JSON',
  '[]',
  'null',
  JSON.stringify({ ...HEAD, event: 'secret.event' }),
  JSON.stringify({ ...HEAD, event: 'constructor' }),
  JSON.stringify({ ...HEAD, level: 'secret' }),
  JSON.stringify({ ...HEAD, time: 'secret' }),
])('%s is no line of ours, and is counted', (line) => {
  expect(redactLog([line, ''], 10, ALLOWANCE)).toEqual({ lines: [], dropped: 1 });
});

test('the last lines are kept', () => {
  const lines = [1, 2, 3].map((tookMs) => JSON.stringify({ ...HEAD, tookMs }));
  const kept = redactLog(lines, 2, ALLOWANCE).lines.map(
    (line) => JSON.parse(line) as { tookMs: number },
  );
  expect(kept.map(({ tookMs }) => tookMs)).toEqual([2, 3]);
});

test('scrubbing replaces a text wherever it stands, the longest first, and no short one', () => {
  const texts = [
    { text: 'pa$$word', by: '[secret]' },
    { text: 'joe:pa$$word', by: '[login]' },
    { text: 'joe', by: '[short]' },
  ];
  expect(scrub({ a: ['x joe:PA$$word', 1, null], b: { c: 'pa$$word' } }, texts)).toEqual({
    a: ['x [login]', 1, null],
    b: { c: '[secret]' },
  });
});
