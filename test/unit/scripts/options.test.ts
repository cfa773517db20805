import { expect, test } from 'vitest';
import { readOptions } from '../../../scripts/lib/options.ts';

const KINDS = {
  keep: { takes: 'nothing' },
  kills: { takes: 'number', from: 1, default: 200 },
  size: { takes: 'choice', of: ['1', '2'], default: '1' },
  only: { takes: 'choice', of: ['a', 'b'] },
  out: { takes: 'text', default: 'here' },
} as const;

test('what is not given has its default', () => {
  expect(readOptions(KINDS, [])).toEqual({
    values: { keep: false, kills: 200, size: '1', only: undefined, out: 'here' },
  });
});

test('what is given is read', () => {
  expect(readOptions(KINDS, ['--keep', '--kills', '7', '--size=2', '--only', 'b'])).toEqual({
    values: { keep: true, kills: 7, size: '2', only: 'b', out: 'here' },
  });
});

test.each<[string[], string]>([
  [['--frob'], "Unknown option '--frob'"],
  [['--kills'], "Option '--kills <value>' argument missing"],
  [['--kills', 'many'], '--kills: expected a whole number from 1 to 2147483647; found "many"'],
  [['--kills', '0'], '--kills: expected a whole number from 1'],
  [['--kills', '1e3'], 'found "1e3"'],
  [['--out='], '--out: expected something'],
  [['--size', '3'], '--size: expected one of 1, 2; found "3"'],
  [['--keep=1'], "Option '--keep' does not take an argument"],
  [['word'], "Unexpected argument 'word'"],
])('%j is refused in one sentence', (args, words) => {
  const read = readOptions(KINDS, args);
  const problem = 'problem' in read ? read.problem : '';
  expect(problem).toContain(words);
  expect(problem).not.toContain('\n');
});
