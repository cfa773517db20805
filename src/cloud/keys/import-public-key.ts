import { importJWK, type CryptoKey } from 'jose';
import type { PublicKey } from '../../protocol/keys.ts';

/** The key of a validated P-256 JWK, for verifying ES256 signatures. */
export async function importPublicKey({ kty, crv, x, y }: PublicKey): Promise<CryptoKey> {
  const key = await importJWK({ kty, crv, x, y }, 'ES256');
  if (key instanceof Uint8Array) throw new TypeError('importPublicKey: a secret is no public key');
  return key;
}
