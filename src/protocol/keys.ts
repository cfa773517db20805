import { calculateJwkThumbprint, type JWK } from 'jose';
import { z } from 'zod';
import { isPoint } from './p256.ts';
import { Base64Url, Seconds, Sha256 } from './shapes.ts';

/**
 * A P-256 public key and nothing else: a private member makes the object invalid, and so do
 * coordinates off the curve or in a second spelling, so that importing one cannot fail.
 */
export const PublicKey = z
  .strictObject({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: Base64Url.length(43),
    y: Base64Url.length(43),
    kid: Sha256,
    alg: z.enum(['ES256', 'ECDH-ES+A256KW']),
    use: z.enum(['sig', 'enc']),
  })
  .refine(({ alg, use }) => (alg === 'ES256') === (use === 'sig'), { path: ['use'] })
  .refine(({ x, y }) => isPoint(x, y), { path: ['x'] })
  .meta({
    id: 'PublicKey',
    description: 'A P-256 public key as JWK; kid is its RFC 7638 thumbprint.',
  });

export type PublicKey = z.infer<typeof PublicKey>;

/** A public key that signatures are verified with. */
export const VerificationKey = PublicKey.refine(({ use }) => use === 'sig', { path: ['use'] });

/** A public key that secrets are sealed to. */
export const EncryptionKey = PublicKey.refine(({ use }) => use === 'enc', { path: ['use'] });

/** The numbered, expiring set of the service's command-signing keys, as the root signs it. */
export const KeySetClaims = z.strictObject({
  iss: z.url(),
  number: z.int().positive(),
  iat: Seconds,
  exp: Seconds,
  keys: z.array(VerificationKey).min(1).max(8),
});

export type KeySetClaims = z.infer<typeof KeySetClaims>;

/** A sealing key with the device key's word for it. */
export const SealingKeyClaims = z.strictObject({
  iss: Sha256.meta({ description: 'Thumbprint of the device key that signs this.' }),
  iat: Seconds,
  key: EncryptionKey,
});

export type SealingKeyClaims = z.infer<typeof SealingKeyClaims>;

/** The public half of a P-256 key pair for one purpose, named by its RFC 7638 thumbprint. */
export async function publicKey(jwk: JWK, use: 'sig' | 'enc'): Promise<PublicKey> {
  return PublicKey.parse({
    kty: jwk.kty,
    crv: jwk.crv,
    x: jwk.x,
    y: jwk.y,
    kid: await thumbprint(jwk),
    alg: use === 'sig' ? 'ES256' : 'ECDH-ES+A256KW',
    use,
  });
}

/**
 * Whether a key is called by its own thumbprint. A schema cannot tell (hashing is asynchronous);
 * whoever takes a key from somebody else asks, or two keys could go by one name.
 */
export async function isTrulyNamed(key: PublicKey): Promise<boolean> {
  return key.kid === (await thumbprint(key));
}

/** RFC 7638, SHA-256: over the key's mathematical members only, so a false `kid` cannot change it. */
export function thumbprint(jwk: JWK): Promise<string> {
  return calculateJwkThumbprint(jwk, 'sha256');
}
