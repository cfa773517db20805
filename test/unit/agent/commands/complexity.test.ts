import { expect, test } from 'vitest';
import { complexityOf } from '../../../../src/agent/commands/complexity.ts';

test.each([
  ['lower upper digit', 'abcDEF123'],
  ['lower upper special', 'abcDEF-$!'],
  ['lower digit special', 'abc123-$!'],
  ['upper digit special', 'ABC123-$!'],
  ['one character of each is enough', 'aaaaaaA1'],
  ['a letter without case is a class of its own', 'abc123漢字'],
  ['an accented letter next to both cases, a digit and a sign', 'aB1-é'],
  ['a tilde', 'a1~'],
  ['a backslash', 'a1\\'],
  ['a quote', 'a1"'],
  ['a bracket', 'a1]'],
])('met: %s', (_what, password) => {
  expect(complexityOf(password)).toBe('met');
});

test.each([
  ['nothing', ''],
  ['lower case', 'abcdef'],
  ['lower and digit', 'abc123'],
  ['upper and special', 'ABC-!$'],
  ['lower and other letters', 'abc漢字'],
])('broken: %s', (_what, password) => {
  expect(complexityOf(password)).toBe('broken');
});

test.each([
  ['a space is special to some', 'abc 123'],
  ['a currency sign is special to nobody, and other to some', 'abc€123'],
  ['an emoji is other to Samba', 'abc🔑123'],
  ['an accented letter is lower case or other', 'éabc1'],
  ['a digit of another script', 'abcD٣'],
])('unclear: %s', (_what, password) => {
  expect(complexityOf(password)).toBe('unclear');
});
