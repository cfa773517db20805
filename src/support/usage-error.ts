import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileFailure } from './file-failure.ts';
import type { Fault } from './errors.ts';

/** The command line asks for what cannot be; the message names the flag. */
export class UsageError extends Error implements Fault {
  override readonly name = 'UsageError';
  readonly code = 'USAGE';
  readonly retryable = false;
}

/** The text of a file that a flag names. Rejects with a `UsageError` that names both. */
export async function textOf(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${flag}: ${path} ${fileFailure(error)}`);
  }
}

/** The same of a file with certificates in PEM. Rejects with a `UsageError` when it holds none. */
export async function certificatesOf(path: string, flag: string): Promise<string> {
  const text = await textOf(path, flag);
  try {
    new X509Certificate(text);
    return text;
  } catch {
    throw new UsageError(`${flag}: ${path} holds no certificate in PEM form`);
  }
}
