import { createHash, type X509Certificate } from 'node:crypto';

/** Prints the digest of the public key in a certificate, as a configuration takes it. */
export const KEY_DIGEST_COMMAND =
  'openssl x509 -in FILE.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64';

/** 32 bytes have one spelling in base64 (RFC 4648 section 3.5); curl writes `sha256//` before it. */
const DIGEST = /^(?:sha256\/\/)?([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$/;

/** SHA-256 of a SubjectPublicKeyInfo in base64, as in RFC 7469 section 2.4. */
export function keyDigest({ publicKey }: X509Certificate): string {
  const info = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(info).digest('base64');
}

/** Such a digest without anything before it; undefined for what is none. */
export function bareKeyDigest(value: unknown): string | undefined {
  return typeof value === 'string' ? DIGEST.exec(value)?.[1] : undefined;
}
