import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { confirmOn } from '../../../src/support/confirm.ts';

test.each([
  ['y\n', true],
  [' Yes \n', true],
  ['\n', false],
  ['n\n', false],
  ['yes please\n', false],
  ['yy\n', false],
  ['', false],
])('the answer %j is a yes: %s', async (typed, expected) => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const answer = confirmOn(input, output, 'Reset it now?');
  input.end(typed);
  expect(await answer).toBe(expected);
  expect(String(output.read())).toContain('Reset it now? [y/N] ');
});
