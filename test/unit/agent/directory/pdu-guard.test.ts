import { expect, test } from 'vitest';
import { PduGuard } from '../../../../src/agent/directory/pdu-guard.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('frames pass in whatever pieces they come', () => {
  const frames = Buffer.concat([
    hex('30 03 020101'),
    hex('30 81 80'),
    Buffer.alloc(0x80),
    hex('30 84 00000003 020101'),
    hex('30 00'),
  ]);
  const whole = new PduGuard(1_000);
  expect(whole.feed(frames)).toBeUndefined();
  const bytewise = new PduGuard(1_000);
  for (const byte of frames) expect(bytewise.feed(Buffer.of(byte))).toBeUndefined();
});

test.each([
  ['text', Buffer.from('HTTP/1.1'), /not LDAP/],
  ['an indefinite length', hex('30 80'), /not LDAP/],
  ['a length of five bytes', hex('30 85'), /not LDAP/],
  ['2 GB', hex('30 84 80000000'), /2147483648 bytes/],
  ['one byte too many', hex('30 82 03e9'), /1001 bytes/],
  ['garbage behind a good frame', hex('30 01 00 41'), /not LDAP/],
])('%s is refused', (_what, bytes, problem) => {
  expect(new PduGuard(1_000).feed(bytes)).toMatch(problem);
});

test('the largest allowed frame passes', () => {
  expect(new PduGuard(1_000).feed(hex('30 82 03e8'))).toBeUndefined();
});
