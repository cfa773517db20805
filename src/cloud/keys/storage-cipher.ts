import { base64url, CompactEncrypt, compactDecrypt, errors } from 'jose';
import type { StorageKeyFile } from './key-folder.ts';

/** Encrypts what the database keeps for a while and must not be able to read. */
export interface StorageCipher {
  /** The text as a JWE that opens only for the same purpose. */
  wrap(text: string, purpose: string): Promise<string>;
  /** The text again; rejects with `StorageCipherError` when it was altered or is of another purpose. */
  unwrap(wrapped: string, purpose: string): Promise<string>;
}

export class StorageCipherError extends Error {
  override readonly name = 'StorageCipherError';
  readonly code = 'NOT_UNWRAPPABLE';
  readonly retryable = false;
}

/** AES-256-GCM under the storage key, which is kept outside the database. */
export function storageCipher(file: StorageKeyFile): StorageCipher {
  const key = base64url.decode(file.k);
  return {
    wrap: (text, purpose) =>
      new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: file.kid, purpose })
        .encrypt(key),
    unwrap: async (wrapped, purpose) => {
      try {
        const { plaintext, protectedHeader } = await compactDecrypt(wrapped, key, {
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
        });
        if (protectedHeader.purpose === purpose) return new TextDecoder().decode(plaintext);
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error;
      }
      throw new StorageCipherError(
        'store: a wrapped secret does not open; is the storage key the one the database was made with?',
      );
    },
  };
}
