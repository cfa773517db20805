import './reflect-metadata.ts';
import * as x509 from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

export interface TestCertificate {
  /** The certificate, PEM. */
  readonly cert: string;
  /** Its private key, PKCS #8 PEM. */
  readonly key: string;
  /** The certificate of the CA that signed it, PEM. */
  readonly ca: string;
}

export interface CertificateOptions {
  /** Default is in a week; a CA's own, in a month. */
  readonly notAfter?: Date;
  /** Default is long ago. */
  readonly notBefore?: Date;
}

export interface CaOptions extends CertificateOptions {
  /** What signs its certificate. Default is its own key. */
  readonly under?: TestCa;
  /** Of another one, which it shows as its own public key. What it issues is not signed with that. */
  readonly showsKeyOf?: TestCa;
  /** Default is true; else it has what a server has, and signs all the same. */
  readonly isCa?: boolean;
}

export interface TestCa {
  /** The CA's own certificate, PEM: what a client is told to trust. */
  readonly ca: string;
  /** Its private key, PKCS #8 PEM, for what signs certificates by itself. */
  readonly key: string;
  /** A server certificate for these host names and IP addresses. */
  issue(names: readonly string[], options?: CertificateOptions): Promise<TestCertificate>;
}

/** Makes a certificate authority that nothing but a test trusts. */
export async function createTestCa(
  name = 'Passback Test CA',
  options: CaOptions = {},
): Promise<TestCa> {
  const { notAfter = new Date(Date.now() + 30 * DAY_MS), under, showsKeyOf, isCa = true } = options;
  const keys = await generateKeys();
  const subject = `CN=${name}`;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: under === undefined ? subject : new x509.X509Certificate(under.ca).subject,
    ...validity(notAfter),
    publicKey:
      showsKeyOf === undefined ? keys.publicKey : new x509.X509Certificate(showsKeyOf.ca).publicKey,
    signingKey: under === undefined ? keys.privateKey : await signingKey(under.key),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
    ],
  });
  const ca = certificate.toString('pem');
  return {
    ca,
    key: await privateKeyPem(keys.privateKey),
    issue: async (names, options = {}) => ({
      ...(await issue({ subject: certificate.subject, keys }, names, options)),
      ca,
    }),
  };
}

interface Issuer {
  readonly subject: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

async function issue(
  issuer: Issuer,
  names: readonly string[],
  options: CertificateOptions,
): Promise<Omit<TestCertificate, 'ca'>> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${names[0] ?? 'nobody'}`,
    issuer: issuer.subject,
    ...validity(options.notAfter ?? new Date(Date.now() + 7 * DAY_MS)),
    ...(options.notBefore !== undefined && { notBefore: options.notBefore }),
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({
          type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const),
          value,
        })),
      ),
    ],
  });
  return { cert: certificate.toString('pem'), key: await privateKeyPem(keys.privateKey) };
}

function validity(notAfter: Date): { readonly notBefore: Date; readonly notAfter: Date } {
  // For a year at least: how near an end is depends on how long it was.
  const notBefore = Math.min(Date.now() - DAY_MS, notAfter.getTime() - 365 * DAY_MS);
  return { notBefore: new Date(notBefore), notAfter };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = x509.PemConverter.decodeFirst(pem);
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

// Positive and never leading with a zero, as DER wants it.
function serialNumber(): string {
  return `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex')}`;
}
