import { base64url } from 'jose';
import serialize from 'canonicalize';
import type { AccountRef, Baseline } from './account.ts';
import type { z } from 'zod';
import type { Operation } from './codes.ts';
import type { CommandClaims, OperationOptions } from './command.ts';

const utf8 = new TextEncoder();

/** Everything that a sealed secret is bound to: it opens for exactly this and nothing else. */
export interface SecretBinding {
  readonly directory: string;
  readonly cmd: string;
  readonly op: Operation;
  readonly account: z.infer<typeof AccountRef>;
  readonly options: OperationOptions;
  readonly baseline: Baseline;
  readonly notAfter: string;
}

/**
 * RFC 8785 text of a JSON value: equal values give equal bytes. Throws a `TypeError` for what JSON
 * cannot hold, lone surrogates included; no claims that passed their schema do.
 */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = serialize(value);
  } catch {
    throw notJson(); // the cause may quote the value
  }
  if (text === undefined) throw notJson();
  return text;
}

function notJson(): TypeError {
  return new TypeError('canonicalJson: not a JSON value');
}

/** The additional authenticated data of a sealed secret, as text. */
export function bindingText(binding: SecretBinding): string {
  const { directory, cmd, op, account, options, baseline, notAfter } = binding;
  return canonicalJson({ directory, cmd, op, account, options, baseline, notAfter });
}

/** SHA-256 in base64url of UTF-8 text. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', utf8.encode(text));
  return base64url.encode(new Uint8Array(digest));
}

/**
 * SHA-256 of what a compact JWS signs: its header and payload. Its signature is left out because
 * anybody can make a second one that verifies out of an ECDSA signature (r, s): r, n - s.
 */
export function signedHash(jws: string): Promise<string> {
  const end = jws.lastIndexOf('.');
  return sha256(end < 0 ? jws : jws.slice(0, end));
}

/** What makes two dispatches of one operation the same request; see `MISMATCH`. */
export function commandDigest(claims: CommandClaims): Promise<string> {
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
