import { exportJWK, generateKeyPair, type CryptoKey } from 'jose';
import { publicKey, type PublicKey } from '../../src/protocol/keys.ts';
import type { SigningKey } from '../../src/protocol/tokens.ts';

export interface SigningPair {
  readonly publicKey: PublicKey;
  readonly verify: CryptoKey;
  readonly sign: SigningKey & { readonly key: CryptoKey };
}

/** A fresh ES256 key pair, named by its thumbprint. */
export async function signingPair(): Promise<SigningPair> {
  const pair = await generateKeyPair('ES256', { extractable: true });
  const named = await publicKey(await exportJWK(pair.publicKey), 'sig');
  return {
    publicKey: named,
    verify: pair.publicKey,
    sign: { key: pair.privateKey, kid: named.kid },
  };
}
