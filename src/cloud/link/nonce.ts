import { base64url } from 'jose';

/** 256 random bits that a hello has to be made over, so that none can be used again. */
export function newNonce(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
}
