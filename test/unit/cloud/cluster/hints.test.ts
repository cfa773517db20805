import { expect, test } from 'vitest';
import { channelOf, formatHint, parseHint } from '../../../../src/cloud/cluster/hints.ts';

test('a hint arrives as it was sent, and not at its sender', () => {
  const hint = { kind: 'dispatch', id: 'd-1' } as const;
  expect(parseHint(formatHint(hint, 'a'), 'b')).toEqual(hint);
  expect(parseHint(formatHint(hint, 'a'), 'a')).toBeUndefined();
});

test.each(['', 'dispatch', 'dispatch  a', 'other 1 a', 'dispatch 1 a more', 'x'.repeat(9_000)])(
  'what is no hint is passed over: %j',
  (text) => {
    expect(parseHint(text, 'b')).toBeUndefined();
  },
);

test('a channel is a name that PostgreSQL takes as it is', () => {
  expect(channelOf()).toBe('passback');
  expect(channelOf('0b9dF-12')).toMatch(/^passback_[0-9a-zA-Z]+$/);
});
