import { base64url, exportJWK, generateKeyPair } from 'jose';
import { expect, test } from 'vitest';
import {
  isTrulyNamed,
  KeySetClaims,
  PublicKey,
  publicKey,
  SealingKeyClaims,
  thumbprint,
} from '../../../src/protocol/keys.ts';

const pair = await generateKeyPair('ES256', { extractable: true });
const privateJwk = await exportJWK(pair.privateKey);
const signing = await publicKey(privateJwk, 'sig');
const sealing = await publicKey(await exportJWK(pair.publicKey), 'enc');

test('the public half of a private key holds nothing private', () => {
  expect(signing).not.toHaveProperty('d');
  expect(JSON.stringify(signing)).not.toContain(String(privateJwk.d));
});

test('a key is named by its RFC 7638 thumbprint, whatever its use', async () => {
  expect(signing.kid).toBe(await thumbprint(privateJwk));
  expect(sealing.kid).toBe(signing.kid);
  expect(await isTrulyNamed(signing)).toBe(true);
  expect(await isTrulyNamed({ ...signing, kid: 'k'.repeat(43) })).toBe(false);
});

test('a thumbprint is over crv, kty, x and y in that order, as RFC 7638 section 3.2 has it', async () => {
  // The EC key of RFC 7517 appendix A.1.
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
    y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    use: 'enc',
    kid: '1',
  };
  const text = `{"crv":"P-256","kty":"EC","x":"${jwk.x}","y":"${jwk.y}"}`;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  expect(await thumbprint(jwk)).toBe(base64url.encode(new Uint8Array(digest)));
  expect((await publicKey(jwk, 'enc')).kid).toBe(await thumbprint(jwk));
});

test('every key that WebCrypto makes is taken', async () => {
  for (let i = 0; i < 20; i++) {
    const { publicKey: made } = await generateKeyPair('ES256', { extractable: true });
    expect(PublicKey.safeParse(await publicKey(await exportJWK(made), 'sig')).success).toBe(true);
  }
});

const turned = (text: string): string => {
  const bytes = base64url.decode(text);
  bytes[31] = (bytes[31] ?? 0) ^ 1;
  return base64url.encode(bytes);
};

/** The same bytes, in base64url whose spare bits are not zero. */
const respelled = (text: string): string =>
  text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);

/** The point with x = 0, its x written as the prime: the same number to whoever reduces it. */
const beyond = {
  x: base64url.encode(
    Buffer.from('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', 'hex'),
  ),
  y: base64url.encode(
    Buffer.from('66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4', 'hex'),
  ),
};

test('the point with x = 0 is a point like any other', () => {
  const zero = { ...signing, ...beyond, x: 'A'.repeat(43) };
  expect(PublicKey.safeParse(zero).success).toBe(true);
});

test.each([
  ['off the curve', { ...signing, x: turned(signing.x) }],
  ['all zero', { ...signing, x: 'A'.repeat(43), y: 'A'.repeat(43) }],
  ['on the curve with a coordinate beyond the prime', { ...signing, ...beyond }],
  ['in a second spelling', { ...signing, x: respelled(signing.x) }],
  ['one byte short', { ...signing, x: signing.x.slice(0, 42) }],
  ['on another curve', { ...signing, crv: 'P-384' }],
  ['private', { ...signing, d: privateJwk.d }],
  ['for sealing, with the algorithm for signing', { ...signing, use: 'enc' }],
])('a key that is %s is none', (_, key) => {
  expect(PublicKey.safeParse(key).success).toBe(false);
});

test('a key set holds verification keys, a sealing-key statement a sealing key', () => {
  const set = { iss: 'https://reset.example/', number: 1, iat: 1, exp: 2 };
  expect(KeySetClaims.safeParse({ ...set, keys: [signing] }).success).toBe(true);
  expect(KeySetClaims.safeParse({ ...set, keys: [sealing] }).success).toBe(false);
  expect(KeySetClaims.safeParse({ ...set, keys: [] }).success).toBe(false);
  expect(KeySetClaims.safeParse({ ...set, keys: Array(9).fill(signing) }).success).toBe(false);
  const statement = { iss: signing.kid, iat: 1 };
  expect(SealingKeyClaims.safeParse({ ...statement, key: sealing }).success).toBe(true);
  expect(SealingKeyClaims.safeParse({ ...statement, key: signing }).success).toBe(false);
});
