import { expect, test } from 'vitest';
import { parsePostgresUrl } from '../../../../src/cloud/store/postgres-place.ts';

const REMOTE = 'postgres://passback:s%40cret@db.example.com:5433/reset';

test('a URL names everything, and the password is no text that can be shown', () => {
  const place = parsePostgresUrl(REMOTE);
  expect(place).toMatchObject({
    host: 'db.example.com',
    port: 5433,
    user: 'passback',
    database: 'reset',
  });
  expect('problem' in place ? '' : place.password.reveal()).toBe('s@cret');
  expect(JSON.stringify(place)).not.toContain('cret@');
});

test.each([
  [REMOTE, true],
  [`${REMOTE}?sslmode=verify-full`, true],
  ['postgres://u:p@127.0.0.1/d', false],
  ['postgres://u:p@[::1]:5432/d', false],
  ['postgresql://u:p@localhost/d?sslmode=disable', false],
  ['postgres://u:p@localhost/d?sslmode=verify-full', true],
  ['postgres://u@%2Frun%2Fpostgresql/d', false],
])('%s: TLS is %s', (url, tls) => {
  expect(parsePostgresUrl(url)).toMatchObject({ tls });
});

test.each([
  [`${REMOTE}?sslmode=disable`, 'verify-full'],
  [`${REMOTE}?sslmode=require`, 'verify-full'],
  [`${REMOTE}?sslmode=verify-ca`, 'verify-full'],
  ['postgres://u:p@localhost/d?sslmode=prefer', 'verify-full'],
  [`${REMOTE}?sslrootcert=x`, 'one parameter'],
  ['postgres://u@db.example.com/d', 'has no password'],
  ['postgres://u:p@db.example.com', 'names no database'],
  ['postgres://db.example.com/d', 'names no user'],
  ['mysql://u:p@db.example.com/d', 'expected one line'],
  ['', 'expected one line'],
])('%s is refused, without a word of the password', (url, words) => {
  const place = parsePostgresUrl(url);
  expect(place).toEqual({ problem: expect.stringContaining(words) as unknown });
  expect(JSON.stringify(place)).not.toContain('s%40cret');
});
