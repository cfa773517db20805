import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';

/**
 * What a TLS client believes: the well-known CAs, and those of a PEM text on top. Made once and
 * shared by every connection, because reading the CAs takes milliseconds and megabytes each time.
 */
export function tlsTrust(extraCa?: string): SecureContext | undefined {
  if (extraCa === undefined) return undefined; // Node's own default, with NODE_EXTRA_CA_CERTS
  return createSecureContext({ ca: [...rootCertificates, extraCa], minVersion: 'TLSv1.2' });
}
