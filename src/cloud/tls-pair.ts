import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { fileFailure } from '../support/file-failure.ts';

export interface TlsFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A certificate chain and its private key, in PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

export interface TlsProblem {
  readonly file: keyof TlsFiles;
  /** Names the path and quotes nothing of what is in it. */
  readonly problem: string;
}

/** Reads a certificate chain and its key and sees to it that they belong together. Never rejects. */
export async function readTlsPair(
  files: TlsFiles,
): Promise<{ readonly pair: TlsPair } | { readonly problems: readonly TlsProblem[] }> {
  const [certificate, key] = await Promise.all([
    load(files, 'certificateFile', (text) => new X509Certificate(text)),
    load(files, 'keyFile', (text) => createPrivateKey(text)),
  ]);
  if ('problem' in certificate || 'problem' in key) {
    return { problems: [certificate, key].filter((one) => 'problem' in one) };
  }
  if (certificate.parsed.checkPrivateKey(key.parsed)) {
    return { pair: { cert: certificate.text, key: key.text } };
  }
  const problem = `${files.keyFile} is not the key of the first certificate in ${files.certificateFile}`;
  return { problems: [{ file: 'keyFile', problem }] };
}

/** Whether a client that dials this URL accepts the name in the certificate. */
export function isCertificateFor({ cert }: TlsPair, url: string): boolean {
  const certificate = new X509Certificate(cert);
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined;
}

/** From when until when the certificate of a pair is good, in epoch milliseconds. */
export function lifeOf({ cert }: TlsPair): {
  readonly startsAt: number;
  readonly expiresAt: number;
} {
  const { validFrom, validTo } = new X509Certificate(cert);
  return { startsAt: Date.parse(validFrom), expiresAt: Date.parse(validTo) };
}

const KINDS = {
  certificateFile: 'certificate',
  keyFile: 'private key without a passphrase',
} as const satisfies Record<keyof TlsFiles, string>;

async function load<T>(
  files: TlsFiles,
  file: keyof TlsFiles,
  parse: (text: string) => T,
): Promise<{ readonly text: string; readonly parsed: T } | TlsProblem> {
  let text: string;
  try {
    text = await readFile(files[file], 'utf8');
  } catch (error) {
    return { file, problem: `${files[file]} ${fileFailure(error)}` };
  }
  try {
    return { text, parsed: parse(text) };
  } catch {
    return { file, problem: `${files[file]} holds no ${KINDS[file]} in PEM form` };
  }
}
