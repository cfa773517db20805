import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { CommandClaims } from './command.ts';

// For the agent and the service only: Web Crypto, which browsers have, would hand each of these few
// hundred bytes to another thread and wait for it.

/** SHA-256 in base64url of UTF-8 text. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/**
 * SHA-256 of what a compact JWS signs: its header and payload. Its signature is left out because
 * anybody can make a second one that verifies out of an ECDSA signature (r, s): r, n - s.
 */
export function signedHash(jws: string): string {
  const end = jws.lastIndexOf('.');
  return sha256(end < 0 ? jws : jws.slice(0, end));
}

/** What makes two dispatches of one operation the same request; see `MISMATCH`. */
export function commandDigest(claims: CommandClaims): string {
  const { aud, cmd, op, account, unlock, mustChange, notAfter } = claims;
  const content = 'secret' in claims ? secretContent(claims.secret) : {};
  return sha256(
    canonicalJson({
      directory: aud,
      cmd,
      op,
      account,
      options: { unlock, mustChange },
      baseline: claims.baseline,
      notAfter,
      ...content,
    }),
  );
}

/** The part of a sealed secret that is the same for every recipient. */
function secretContent(secret: { iv: string; ciphertext: string; tag: string }): object {
  return { iv: secret.iv, ciphertext: secret.ciphertext, tag: secret.tag };
}
