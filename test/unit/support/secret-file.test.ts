import { expect, test } from 'vitest';
import { parseSecretFile, protectedSecretFile } from '../../../src/support/secret-file.ts';

test('a plain secret is the whole file but for the end of its line', () => {
  expect(parseSecretFile('a b\r\n')).toEqual({ type: 'plain', text: 'a b' });
  expect(parseSecretFile('a b ')).toEqual({ type: 'plain', text: 'a b ' });
});

test.each(['user', 'machine'] as const)('what is protected for the %s comes back', (scope) => {
  const sealed = Buffer.from(Array.from({ length: 300 }, (_, index) => index % 256));
  const file = protectedSecretFile(scope, sealed);
  expect(parseSecretFile(file)).toEqual({ type: 'protected', scope, sealed });
  expect(parseSecretFile(file.replaceAll('\n', '\r\n'))).toMatchObject({ sealed });
  for (const line of file.split('\n')) expect(line.length).toBeLessThanOrEqual(76);
});

test.each(['passback-dpapi-1 user\n', 'passback-dpapi-1 machine\nnot base64!\n'])(
  '%j is damaged, and never taken for a password',
  (file) => {
    expect(parseSecretFile(file)).toEqual({ type: 'damaged' });
  },
);

test('a password that only looks a little like it is a password', () => {
  const text = 'passback-dpapi-1 root';
  expect(parseSecretFile(text)).toEqual({ type: 'plain', text });
});
