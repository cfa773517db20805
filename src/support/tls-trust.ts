import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';

/**
 * What a TLS client believes: the well-known CAs, and these on top (PEM, any number in each). Made
 * once and shared by every connection, because reading the CAs takes milliseconds and megabytes each
 * time.
 */
export function tlsTrust(...extra: readonly (string | undefined)[]): SecureContext | undefined {
  const given = extra.filter((pem) => pem !== undefined);
  if (given.length === 0) return undefined; // Node's own default, with NODE_EXTRA_CA_CERTS
  return createSecureContext({ ca: [...rootCertificates, ...given], minVersion: 'TLSv1.2' });
}
