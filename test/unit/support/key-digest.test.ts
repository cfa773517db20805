import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { bareKeyDigest, keyDigest } from '../../../src/support/key-digest.ts';

/** Made with openssl; the digest is what `KEY_DIGEST_COMMAND` printed for it. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIDEzCCAfugAwIBAgIUO6MIdPcFgl7ZgdZl8RsziDkjSMowDQYJKoZIhvcNAQEL
BQAwGDEWMBQGA1UEAwwNZGMxLmNvcnAudGVzdDAgFw0yNjExMjcyMzMyMTZaGA8y
MTI2MTEwMzIzMzIxNlowGDEWMBQGA1UEAwwNZGMxLmNvcnAudGVzdDCCASIwDQYJ
KoZIhvcNAQEBBQADggEPADCCAQoCggEBAMsvxFNAWUT05OAg1iDqoELF5lFjL36C
Sf6zuNSkAIfVX7LNJISCj/e71noVm69KYTRzI4iQa8vL1zbZ6VUvqKNorbPrUSIy
FKsJalxv5+Dg4JB3TitgNBM2Sdno6n1gzjX5B2KCMXGJY85pngfgXT3z1XJV+SQB
VIXPnkPdbm49VejS2Tfs2ypu5ZELKtgbc7jtH2PZpklm49tDtFeRJgJ/US6nXCR5
fyCHX2VVx/Gudp69dTYGzdUNK/T6oePNXDQRDx5mwR1j5lQzv8gLi8B9Mh6ea0Bb
U8mkdhV4y1AsTvIo3HG5jplnkOvHISNGnQibHxftp+VOs2kCw6+S07cCAwEAAaNT
MFEwHQYDVR0OBBYEFHICOj9suXKcmuqMxh4VAe4Hq9XaMB8GA1UdIwQYMBaAFHIC
Oj9suXKcmuqMxh4VAe4Hq9XaMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQEL
BQADggEBAC6TTtxsZUU+Zhuu6B4oG4z3jRq3dN7ydhPI7u2dFJu8iMttndah4neJ
lr8Jj5Cn0IiGjKgLAecl1nMBrSidk7K6ddSuXDkI9TiqREOSGGKVEbPFvqvQThQb
myFNInS+Hj3MVZzu6y8uLkgknPphzX+ls5axVV9JADBpnQgfKbc4a6eaK+MZzpKJ
ytQzp6aij2UmxxtfW4gaH65t+NXtWg8Z7f11OL+Hu/WB3JkrFxsmY8pnjM6AcsCF
8TnbjpgImyrRnkEfGAkcHtKIxONjjnwN9zjcGk/Rp6IHleU+Rk5a9gy8j9vJBnb8
ljayhsByEVIWhkVP7aGbKLay7nMFfbk=
-----END CERTIFICATE-----`;
const DIGEST = '7tndVU/rgjoVpkBjIvw8iyE/BTIMVvAzY269FZjAoiU=';

test('the digest of a key is the one that openssl prints', () => {
  expect(keyDigest(new X509Certificate(CERTIFICATE))).toBe(DIGEST);
});

test('a digest is taken with and without what curl writes before it', () => {
  expect(bareKeyDigest(DIGEST)).toBe(DIGEST);
  expect(bareKeyDigest(`sha256//${DIGEST}`)).toBe(DIGEST);
  // One that begins like that is still one.
  const alike = `sha256//${'A'.repeat(35)}=`;
  expect(bareKeyDigest(alike)).toBe(alike);
});

test.each([
  ['nothing', ''],
  ['a number', 5],
  ['one that is cut', DIGEST.slice(0, -1)],
  ['one that is longer', `A${DIGEST}`],
  ['one in hexadecimal', Buffer.from(DIGEST, 'base64').toString('hex')],
  ['one in base64url', `-_${DIGEST.slice(2)}`],
  ['one with bits where there are none', `${DIGEST.slice(0, -2)}B=`],
  ['one of another algorithm', `sha1//${DIGEST}`],
  ['one with a space', ` ${DIGEST}`],
  ['one and a line', `${DIGEST}\n`],
])('%s is no digest', (_what, value) => {
  expect(bareKeyDigest(value)).toBeUndefined();
});
