import { CompactEncrypt, compactDecrypt, errors, importJWK } from 'jose';
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
export async function storageCipher(file: StorageKeyFile): Promise<StorageCipher> {
  const secret = await importJWK(file);
  if (!(secret instanceof Uint8Array)) throw new TypeError('storageCipher: no symmetric key');
  // Imported once: jose would do it again for every use of the bytes.
  const key = await crypto.subtle.importKey('raw', Uint8Array.from(secret), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ]);
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
