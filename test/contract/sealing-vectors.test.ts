import {
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type JsonWebKeyInput,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { importJWK, type CryptoKey } from 'jose';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { bindingText, canonicalJson, type SecretBinding } from '../../src/protocol/canonical.ts';
import { publicKey, thumbprint } from '../../src/protocol/keys.ts';
import { DispatchedSecret, SealedSecret, secretFor } from '../../src/protocol/sealed.ts';
import { open, seal, SealingError } from '../../src/protocol/sealing.ts';

/**
 * What any other implementation has to open, and to refuse. A sealed secret is never made twice the
 * same, so the other direction is: seal with the implementation under test, open with this one.
 */
const Vectors = z.strictObject({
  note: z.string(),
  format: z.string(),
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string(), d: z.string() })),
  vectors: z.array(
    z.strictObject({
      name: z.string(),
      binding: z.custom<SecretBinding>(),
      aad: z.string(),
      content: z.strictObject({ password: z.string(), oldPassword: z.string().exactOptional() }),
      plaintext: z.string(),
      sealed: SealedSecret,
    }),
  ),
  refused: z.array(
    z.strictObject({
      name: z.string(),
      binding: z.custom<SecretBinding>(),
      secret: DispatchedSecret,
    }),
  ),
});

const { keys, vectors, refused } = Vectors.parse(
  JSON.parse(readFileSync(new URL('vectors/sealing.json', import.meta.url), 'utf8')),
);

function jwkOf(kid: string): (typeof keys)[number] {
  const jwk = keys.find((key) => key.kid === kid);
  if (jwk === undefined) throw new Error('no such key among the vectors');
  return jwk;
}

async function privateKeyOf(kid: string): Promise<CryptoKey> {
  const { kty, crv, x, y, d } = jwkOf(kid);
  return await importJWK({ kty, crv, x, y, d } as never, 'ECDH-ES+A256KW');
}

test('the keys of the vectors are named by their thumbprints', async () => {
  for (const { kid, ...jwk } of keys) expect(await thumbprint(jwk)).toBe(kid);
});

test.each(vectors)('the text that is bound: $name', ({ binding, aad, sealed }) => {
  expect(bindingText(binding)).toBe(aad);
  expect(canonicalJson(binding)).toBe(aad);
  expect(Buffer.from(sealed.aad, 'base64url').toString('utf8')).toBe(aad);
});

test.each(vectors)('it opens for every recipient: $name', async (vector) => {
  for (const { header } of vector.sealed.recipients) {
    const secret = secretFor(vector.sealed, header.kid);
    if (secret === undefined) throw new Error('no wrapping');
    const content = await open(secret, await privateKeyOf(header.kid), vector.binding);
    expect(content).toEqual(vector.content);
  }
});

test.each(vectors)('it opens by the RFCs alone, without any library: $name', (vector) => {
  for (const { header } of vector.sealed.recipients) {
    const secret = secretFor(vector.sealed, header.kid);
    if (secret === undefined) throw new Error('no wrapping');
    const plaintext = openByHand(secret, jwkOf(header.kid), vector.aad);
    expect(plaintext.toString('base64url')).toBe(vector.plaintext);
    const length = plaintext.readUInt16BE(0);
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      plaintext.subarray(2, 2 + length),
    );
    expect(JSON.parse(text)).toEqual(vector.content);
    expect(plaintext.subarray(2 + length).every((byte) => byte === 0)).toBe(true);
    expect(plaintext.length % 256).toBe(0);
  }
});

test.each(refused)('it does not open: $name', async ({ binding, secret }) => {
  const opened = open(secret, await privateKeyOf(secret.header.kid), binding);
  await expect(opened).rejects.toBeInstanceOf(SealingError);
  await expect(opened).rejects.toMatchObject({ code: 'NOT_OPENABLE' });
});

test('what is sealed today opens by hand today', async () => {
  const [vector] = vectors;
  if (vector === undefined) throw new Error('no vectors');
  const recipients = await Promise.all(keys.map((key) => publicKey(key, 'enc')));
  for (const to of [recipients.slice(0, 1), recipients]) {
    const sealed = await seal(vector.content, to, vector.binding);
    for (const { kid } of to) {
      const secret = secretFor(sealed, kid);
      if (secret === undefined) throw new Error('no wrapping');
      const plaintext = openByHand(secret, jwkOf(kid), vector.aad);
      expect(plaintext.toString('base64url')).toBe(vector.plaintext);
    }
  }
});

test("the key derivation below is that of RFC 7518 appendix C's example", () => {
  const alice = {
    kty: 'EC',
    crv: 'P-256',
    x: 'gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0',
    y: 'SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps',
  };
  const bob = {
    kty: 'EC',
    crv: 'P-256',
    x: 'weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ',
    y: 'e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck',
    d: 'VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw',
  };
  const derived = concatKdf(agree(alice, bob), 'A128GCM', 128, ['Alice', 'Bob']);
  expect(derived.toString('base64url')).toBe('VqqN6vgjbSBcIijNcacQGg');
});

type Jwk = JsonWebKeyInput['key'];

/** RFC 7516 decryption for ECDH-ES+A256KW and A256GCM, written from the RFCs with Node's primitives. */
function openByHand(secret: DispatchedSecret, jwk: Jwk, aad: string): Buffer {
  const header = JSON.parse(Buffer.from(secret.protected, 'base64url').toString('utf8')) as {
    readonly enc: string;
    readonly epk?: Jwk;
  };
  const epk = header.epk ?? secret.header.epk;
  if (epk === undefined || header.enc !== 'A256GCM') throw new Error('not our header');
  const wrappingKey = concatKdf(agree(epk, jwk), secret.header.alg, 256, ['', '']);
  const contentKey = unwrap(wrappingKey, Buffer.from(secret.encrypted_key, 'base64url'));
  const decipher = createDecipheriv('aes-256-gcm', contentKey, Buffer.from(secret.iv, 'base64url'));
  // RFC 7516 section 5.1 step 14: with an aad member, ASCII(protected '.' BASE64URL(aad)).
  decipher.setAAD(
    Buffer.from(`${secret.protected}.${Buffer.from(aad).toString('base64url')}`, 'ascii'),
  );
  decipher.setAuthTag(Buffer.from(secret.tag, 'base64url'));
  return Buffer.concat([
    decipher.update(Buffer.from(secret.ciphertext, 'base64url')),
    decipher.final(),
  ]);
}

/** ECDH: the x coordinate of the shared point. */
function agree(theirs: Jwk, mine: Jwk): Buffer {
  return diffieHellman({
    publicKey: createPublicKey({ key: theirs, format: 'jwk' }),
    privateKey: createPrivateKey({ key: mine, format: 'jwk' }),
  });
}

/** RFC 7518 section 4.6.2, one round: 128 or 256 bits fit one SHA-256. */
function concatKdf(
  z: Buffer,
  algorithm: string,
  bits: 128 | 256,
  parties: readonly [string, string],
): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const counted = (text: string): Buffer =>
    Buffer.concat([number(Buffer.byteLength(text)), Buffer.from(text)]);
  const info = [counted(algorithm), counted(parties[0]), counted(parties[1]), number(bits)];
  return createHash('sha256')
    .update(Buffer.concat([number(1), z, ...info]))
    .digest()
    .subarray(0, bits / 8);
}

/** RFC 3394 section 2.2.2, index form. */
function unwrap(key: Buffer, wrapped: Buffer): Buffer {
  const n = wrapped.length / 8 - 1;
  let a = wrapped.subarray(0, 8);
  const r = Array.from({ length: n }, (_, i) => wrapped.subarray(8 * (i + 1), 8 * (i + 2)));
  for (let t = 6 * n; t > 0; t--) {
    const i = (t - 1) % n;
    const mixed = Buffer.from(a);
    mixed.writeUInt32BE((mixed.readUInt32BE(4) ^ t) >>> 0, 4);
    const block = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false);
    const b = block.update(Buffer.concat([mixed, r[i] ?? Buffer.alloc(0)]));
    a = b.subarray(0, 8);
    r[i] = b.subarray(8, 16);
  }
  if (!a.equals(Buffer.alloc(8, 0xa6))) throw new Error('the wrapped key was altered');
  return Buffer.concat(r);
}
