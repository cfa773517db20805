import { base64url, exportJWK, generateKeyPair, GeneralEncrypt, type CryptoKey } from 'jose';
import { bindingText, type SecretBinding } from '../../src/protocol/canonical.ts';
import { publicKey, type PublicKey } from '../../src/protocol/keys.ts';
import { secretFor, type DispatchedSecret, type SealedSecret } from '../../src/protocol/sealed.ts';

export interface SealingPair {
  readonly publicKey: PublicKey;
  readonly privateKey: CryptoKey;
}

/** A binding with every member that one can have. */
export const BINDING: SecretBinding = {
  directory: 'corp',
  cmd: '5b0e1c5e-6c7a-4d2b-9a53-0f5a8d1c2e01',
  op: 'reset',
  account: { objectGuid: '0c7f5a52-94c1-4f6e-8a5e-b2a1d35c9e10' },
  options: { unlock: true, mustChange: false },
  baseline: {
    pwdLastSet: '134000000000000000',
    lockoutTime: '0',
    unicodePwd: {
      version: 7,
      changedAt: '2026-03-01T08:00:00.000Z',
      invocationId: 'e2d1b0f4-7c1e-4a39-b1f0-2a4c6e8d0b13',
      usn: '123456',
    },
    controller: 'dc1.corp.example',
    controllerTime: '2026-08-01T10:00:00.000Z',
  },
  notAfter: '2026-08-01T10:05:00.000Z',
};

/** A fresh sealing key pair, as an agent makes it. */
export async function sealingPair(): Promise<SealingPair> {
  const pair = await generateKeyPair('ECDH-ES+A256KW', { crv: 'P-256', extractable: true });
  return {
    publicKey: await publicKey(await exportJWK(pair.publicKey), 'enc'),
    privateKey: pair.privateKey,
  };
}

/** One recipient's part of a sealed secret; throws when it was not sealed to that key. */
export function dispatched(sealed: SealedSecret, key: PublicKey): DispatchedSecret {
  const secret = secretFor(sealed, key.kid);
  if (secret === undefined) throw new Error('not sealed to this key');
  return secret;
}

/** Seals any bytes the way a careless or hostile sealer might: properly encrypted, whatever is inside. */
export async function sealBytes(
  plaintext: Uint8Array,
  { publicKey: { kty, crv, x, y, kid } }: SealingPair,
  protectedHeader: Readonly<Record<string, unknown>> = {},
): Promise<DispatchedSecret> {
  const sealed = (await new GeneralEncrypt(plaintext)
    .setProtectedHeader({ enc: 'A256GCM', ...protectedHeader })
    .setAdditionalAuthenticatedData(new TextEncoder().encode(bindingText(BINDING)))
    .addRecipient({ kty, crv, x, y })
    .setUnprotectedHeader({ alg: 'ECDH-ES+A256KW', kid })
    .encrypt()) as unknown as SealedSecret; // its shape is fixed by the options above
  const { protected: header, iv, ciphertext, tag, recipients } = sealed;
  const [recipient] = recipients;
  if (recipient === undefined) throw new Error('jose made no recipient');
  return { protected: header, iv, ciphertext, tag, ...recipient };
}

/** Length, text, fill: as sealing pads, unless told otherwise. */
export function padded(
  text: string | Uint8Array,
  { length = -1, blocks = 1, fill = 0 }: { length?: number; blocks?: number; fill?: number } = {},
): Uint8Array {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const out = new Uint8Array(blocks * 256).fill(fill);
  new DataView(out.buffer).setUint16(0, length < 0 ? bytes.length : length);
  out.set(bytes, 2);
  return out;
}

/** The same base64url text with one bit of its bytes turned over. */
export function flipped(encoded: string, at = 0): string {
  const bytes = base64url.decode(encoded);
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError('no such byte');
  bytes[at] = byte ^ 1;
  return base64url.encode(bytes);
}
