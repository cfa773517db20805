import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as tls from 'node:tls';

/** Where Linux distributions (and macOS, for its command line tools) keep all CAs in one file. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Ubuntu, Arch
  '/etc/pki/tls/certs/ca-bundle.crt', // Fedora, RHEL
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', // the same, newer
  '/etc/ssl/ca-bundle.pem', // SUSE
  '/etc/ssl/cert.pem', // Alpine, macOS
];

/**
 * The CAs (PEM) that this machine's administrator trusts and Node does not know by itself: what
 * newer Nodes read from the store of the operating system, else from the usual bundle. Empty where
 * there is neither. Never rejects; an entry that is no certificate is left out.
 */
export async function systemCas(bundles: readonly string[] = BUNDLES): Promise<readonly string[]> {
  const known = new Set(tls.rootCertificates.map(squeezed));
  const found = storeOfTheSystem() ?? (await firstBundle(bundles));
  return found.filter((pem) => {
    const isNew = !known.has(squeezed(pem)); // newer Nodes give many of them twice
    known.add(squeezed(pem));
    return isNew && isCertificate(pem);
  });
}

/** From Node 22.15 on; the only way on Windows. */
function storeOfTheSystem(): readonly string[] | undefined {
  const read: unknown = Reflect.get(tls, 'getCACertificates');
  if (typeof read !== 'function') return undefined;
  const found = (read as (store: string) => string[])('system');
  return found.length === 0 ? undefined : found;
}

async function firstBundle(bundles: readonly string[]): Promise<readonly string[]> {
  for (const path of bundles) {
    const text = await readFile(path, 'utf8').catch(() => ''); // another distribution
    const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
    if (found !== null) return found;
  }
  return [];
}

function squeezed(pem: string): string {
  return pem.replaceAll(/\s/g, '');
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
