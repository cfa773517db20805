import { X509Certificate } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { requirePinned, vouchingKeys } from '../../../../src/agent/directory/pinned-keys.ts';
import { keyDigest } from '../../../../src/support/key-digest.ts';
import type { ShownCertificate } from '../../../../src/support/presented-chain.ts';
import { createTestCa, type CaOptions, type TestCa } from '../../../support/test-ca.ts';

const NOW = Date.now();

let root: TestCa;

beforeAll(async () => {
  root = await createTestCa('Root');
});

function shown(pem: string): ShownCertificate {
  return { raw: new X509Certificate(pem).raw };
}

function digestOf(pem: string): string {
  return keyDigest(new X509Certificate(pem));
}

/** The digests that vouch for a certificate from a CA below the root. */
async function digestsUnder(options: CaOptions, now = NOW) {
  const issuing = await createTestCa('Issuing', { under: root, ...options });
  const { cert } = await issuing.issue(['dc1.corp.test']);
  const chain = [cert, issuing.ca, root.ca];
  const digests = vouchingKeys(chain.map(shown), now).map(({ digest }) => digest);
  return { digests, all: chain.map(digestOf) };
}

test('every key vouches that signed what is below it', async () => {
  const { digests, all } = await digestsUnder({});
  expect(digests).toEqual(all);
});

test.each<[string, () => CaOptions, number]>([
  ['that is no CA', () => ({ isCa: false }), NOW],
  ['that has ended', () => ({ notAfter: new Date(NOW - 1_000) }), NOW],
  ['that has not begun', () => ({}), NOW - 400 * 86_400_000],
  ['that has not signed what is below', () => ({ showsKeyOf: root }), NOW],
])('neither a certificate %s vouches, nor whatever is above it', async (_, options, now) => {
  const { digests, all } = await digestsUnder(options(), now);
  expect(digests).toEqual(all.slice(0, 1));
});

test('where nothing is shown no key is found, and where keys are pinned that is refused', () => {
  expect(vouchingKeys([], NOW)).toEqual([]);
  expect(vouchingKeys([{}], NOW)).toEqual([]);
  expect(() => requirePinned('dc1', [], ['pin'])).toThrow(/confirmed it: none can be seen$/);
});
