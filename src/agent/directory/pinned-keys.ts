import { X509Certificate } from 'node:crypto';
import { keyDigest } from '../../support/key-digest.ts';
import { nameOf, type ShownCertificate } from '../../support/presented-chain.ts';
import { ConnectionError } from './connection-error.ts';

/** A key that answers for the certificate of a controller. */
export interface VouchingKey {
  /** SHA-256 of its SubjectPublicKeyInfo, in base64. */
  readonly digest: string;
  /** The name of the CA that has it; absent: it is the controller's own. */
  readonly ca?: string;
}

/**
 * The key of a certificate that was verified, then those of the CAs above it, as far as each has
 * signed the one below. Node hands out what the controller has shown, put in order by names, and not
 * the chain that was verified: in there anybody can place a certificate that merely has a pinned key
 * in it. What is not shown, as by a session that was resumed, vouches for nothing.
 */
export function vouchingKeys(
  shown: readonly ShownCertificate[],
  now: number,
): readonly VouchingKey[] {
  const keys: VouchingKey[] = [];
  let below: X509Certificate | undefined;
  for (const { raw, subject } of shown) {
    if (raw === undefined) break;
    const certificate = new X509Certificate(raw);
    if (below !== undefined && !hasSigned(certificate, below, now)) break;
    keys.push({
      digest: keyDigest(certificate),
      ...(below !== undefined && { ca: nameOf(subject) }),
    });
    below = certificate;
  }
  return keys;
}

function hasSigned(ca: X509Certificate, below: X509Certificate, now: number): boolean {
  const isInForce = Date.parse(ca.validFrom) <= now && now <= Date.parse(ca.validTo);
  return ca.ca && isInForce && below.verify(ca.publicKey);
}

/** Whose key it is, in words about a certificate. */
export function whoseKey({ ca }: VouchingKey): string {
  return ca === undefined ? 'its own key' : `the key of the CA "${ca}"`;
}

/** The first of the keys that is pinned. Throws a `ConnectionError` with the cure where none is. */
export function requirePinned(
  where: string,
  keys: readonly VouchingKey[],
  pinnedKeys: readonly string[],
): VouchingKey {
  const pinned = keys.find(({ digest }) => pinnedKeys.includes(digest));
  if (pinned !== undefined) return pinned;
  const found = keys.map((key) => `${key.digest} (${whoseKey(key)})`).join(', ');
  throw new ConnectionError(
    'tls',
    `the certificate of ${where} is valid, but no key of its chain is in directory.pinnedKeys: something stands in between, or a key was replaced. Add one of these once whoever runs the controller has confirmed it: ${found === '' ? 'none can be seen' : found}`,
    { certificate: 'not-pinned' },
  );
}
