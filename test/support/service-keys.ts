import { exportJWK, generateKeyPair, type CryptoKey } from 'jose';
import { publicKey, type PublicKey } from '../../src/protocol/keys.ts';
import { signToken, type SigningKey } from '../../src/protocol/tokens.ts';

export interface KeyPair {
  readonly public: PublicKey;
  readonly signing: SigningKey & { readonly key: CryptoKey };
}

/** A P-256 key pair for signatures, as the service's root and its command keys are. */
export async function signingPair(): Promise<KeyPair> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await publicKey(await exportJWK(privateKey), 'sig');
  return { public: jwk, signing: { kid: jwk.kid, key: privateKey } };
}

export interface KeySetOptions {
  readonly root: KeyPair;
  readonly keys: readonly KeyPair[];
  readonly issuer: string;
  readonly number?: number;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly lifetimeS?: number;
}

/** A key set as the root signs it. */
export function signKeySet(options: KeySetOptions): Promise<string> {
  const iat = Math.floor(options.now / 1000);
  return signToken(
    'key-set',
    {
      iss: options.issuer,
      number: options.number ?? 1,
      iat,
      exp: iat + (options.lifetimeS ?? 86_400),
      keys: options.keys.map((pair) => pair.public),
    },
    options.root.signing,
  );
}
