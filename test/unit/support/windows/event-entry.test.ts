import { expect, test } from 'vitest';
import { EVENTS, type EventName } from '../../../../src/support/events.ts';
import { toEventEntry } from '../../../../src/support/windows/event-entry.ts';

test('an entry has the number of its event, its name, and its facts line by line', () => {
  const facts = { account: 'anna', codes: ['A', 'B'], ms: 12, applied: true, none: undefined };
  expect(toEventEntry('info', 'reset.applied', facts)).toEqual({
    level: 'info',
    id: 31002,
    texts: ['reset.applied', 'account: anna\r\ncodes: A, B\r\nms: 12\r\napplied: true'],
  });
});

test('debug lines stay in the file', () => {
  expect(toEventEntry('debug', 'link.up', {})).toBeUndefined();
});

test('what happens by itself all day stays in the file, unless it goes wrong', () => {
  expect(toEventEntry('info', 'keys.rotated', {})).toBeUndefined();
  expect(toEventEntry('warn', 'keys.rotated', {})).toBeDefined();
});

test('whatever a rule of a SIEM counts is in the Event Log', () => {
  const operations = Object.keys(EVENTS).filter((name) =>
    /^(reset|change|reset_by_admin|unlock|refusal|writeback|breaker)\./.test(name),
  ) as EventName[];
  expect(operations.length).toBeGreaterThan(20);
  for (const name of operations) expect(toEventEntry('info', name, {})).toBeDefined();
});

test('a per cent sign in a fact is no place to fill in', () => {
  const [, facts] = toEventEntry('warn', 'link.down', { peer: 'fe80::1%1', done: '5 %' })
    ?.texts ?? ['', ''];
  expect(facts).toBe('peer: fe80::1% 1\r\ndone: 5 %');
});

test('more than Windows takes is cut', () => {
  const facts = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`f${index}`, 'x'.repeat(2_000)]),
  );
  expect(toEventEntry('warn', 'link.down', facts)?.texts[1].length).toBe(30_000);
});
