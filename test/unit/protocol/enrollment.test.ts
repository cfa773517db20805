import { base64url } from 'jose';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatEnrollmentToken,
  parseEnrollmentToken,
  type EnrollmentToken,
} from '../../../src/protocol/enrollment.ts';
import { SEEDED } from '../../support/seeded.ts';

const TOKEN: EnrollmentToken = {
  id: '5b0e1c5e-6c7a-4d2b-9a53-0f5a8d1c2e01',
  directory: 'corp',
  root: 'r'.repeat(43),
  secret: 's'.repeat(43),
};

test('an enrolment token survives being written down, with blanks and line ends around it', () => {
  const text = formatEnrollmentToken(TOKEN);
  expect(text).toMatch(/^passback-enroll-1\.[\w-]+$/);
  expect(parseEnrollmentToken(text)).toEqual(TOKEN);
  expect(parseEnrollmentToken(` \t${text}\r\n`)).toEqual(TOKEN);
  expect(parseEnrollmentToken(`\ufeff${text}\n`)).toEqual(TOKEN); // as Notepad saves it
});

test('a token that was cut short anywhere is none', () => {
  const text = formatEnrollmentToken(TOKEN);
  for (let length = 0; length < text.length; length++) {
    expect(parseEnrollmentToken(text.slice(0, length))).toBeUndefined();
  }
});

test('whatever else is in the file is no token, and nothing throws', () => {
  const encode = (value: unknown): string =>
    `passback-enroll-1.${base64url.encode(JSON.stringify(value))}`;
  for (const text of [
    formatEnrollmentToken(TOKEN).replace('-1.', '-2.'),
    formatEnrollmentToken(TOKEN).replace('p', 'P'),
    'passback-enroll-1.****',
    'passback-enroll-1.é',
    encode({ ...TOKEN, url: 'https://evil.example' }),
    encode({ ...TOKEN, secret: 'short' }),
    encode([TOKEN]),
    encode(null),
  ]) {
    expect(parseEnrollmentToken(text)).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(parseEnrollmentToken(text)).toBeUndefined();
      expect(parseEnrollmentToken(`passback-enroll-1.${text}`)).toBeUndefined();
    }),
    SEEDED,
  );
});
