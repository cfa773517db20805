import { expect, test } from 'vitest';
import { connectFailure } from '../../../src/support/connect-failure.ts';
import { serviceUrl } from '../../../src/support/service-url.ts';

function coded(code: unknown): Error {
  return Object.assign(new Error('planted'), { code });
}

test.each([
  [coded('ENOTFOUND'), 'dns'],
  [coded('EAI_AGAIN'), 'dns'],
  [coded('ECONNREFUSED'), 'refused'],
  [coded('EHOSTUNREACH'), 'unreachable'],
  [coded('ETIMEDOUT'), 'timeout'],
  [coded('ECONNRESET'), 'reset'],
  [coded('SELF_SIGNED_CERT_IN_CHAIN'), 'tls-untrusted'],
  [coded('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'tls-untrusted'],
  [coded('CERT_HAS_EXPIRED'), 'tls-untrusted'],
  [coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls-untrusted'],
  [coded('ERR_SSL_WRONG_VERSION_NUMBER'), 'tls'],
  [new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]), 'refused'],
  [new AggregateError([]), 'other'],
  [coded(5), 'other'],
  [new Error('planted'), 'other'],
  ['planted', 'other'],
  [undefined, 'other'],
])('%o is told by its kind, in words of ours', (error, kind) => {
  const failure = connectFailure(error);
  expect(failure.kind).toBe(kind);
  expect(failure.reason).not.toContain('planted');
});

test.each([
  ['https://a.b', 'wss', 'wss://a.b/v1/connect'],
  ['https://a.b/', 'wss', 'wss://a.b/v1/connect'],
  ['wss://a.b:8443/pass/back/', 'https', 'https://a.b:8443/pass/back/v1/connect'],
] as const)('a path under %s as %s is %s', (base, scheme, expected) => {
  expect(serviceUrl(base, '/v1/connect', scheme).href).toBe(expected);
});
