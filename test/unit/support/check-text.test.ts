import { expect, test } from 'vitest';
import { doctorExit } from '../../../src/support/check-report.ts';
import { checkSummary, checkText } from '../../../src/support/check-text.ts';
import { failed, passed, skipped, warned, type CheckResult } from '../../../src/support/checks.ts';

const TITLES = { 'a.b': 'The thing' };

test('a pass is one line, a failure says what to do, with lines that can be pasted', () => {
  expect(checkText({ id: 'a.b', ...passed('good') }, TITLES, false)).toBe('PASS  The thing: good');
  const commands = [{ where: 'here', lines: ['chmod 600 x', 'ls'] }];
  const result = { id: 'a.b', about: 'x', ...failed('bad', 'Close it:', { commands }) };
  expect(checkText(result, TITLES, false).split('\n')).toEqual([
    'FAIL  The thing (x): bad',
    '      -> Close it:',
    '         here:',
    '           chmod 600 x',
    '           ls',
  ]);
});

test('what stays on the machine is shown to whoever is at it', () => {
  const result = { id: 'x', ...warned('two', 'Look.', { local: { accounts: ['a', 'b'] } }) };
  expect(checkText(result, TITLES, false)).toBe(
    'WARN  x: two\n      accounts: a, b\n      -> Look.',
  );
});

test('colours are used only where they are wanted, and what others said steers no terminal', () => {
  const result = { id: 'x', ...skipped('\u001b[31mred\nline') };
  expect(checkText(result, {}, false)).toBe('SKIP  x: ?[31mred?line');
  expect(checkText(result, {}, true)).toBe('\u001b[90mSKIP\u001b[0m  x: ?[31mred?line');
});

test('the last line counts', () => {
  const results = [passed(''), warned('', ''), skipped('')].map((one) => ({ id: 'x', ...one }));
  expect(checkSummary(results, false)).toBe('1 passed, 1 warning, 0 failed, 1 skipped');
  expect(checkSummary([], false)).toBe('0 passed, 0 warnings, 0 failed, 0 skipped');
});

test.each<[readonly CheckResult[], number]>([
  [[], 0],
  [[{ id: 'x', ...warned('', '') }], 0],
  [[{ id: 'x', ...failed('', '') }], 1],
  [[{ id: 'config.settings', about: 'y', ...failed('', '') }], 78],
])('the exit code of %j is %i', (results, code) => {
  expect(doctorExit(results)).toBe(code);
});
