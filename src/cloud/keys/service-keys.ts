import type { PublicKey } from '../../protocol/keys.ts';
import { TokenError, verifyToken, type Claims } from '../../protocol/tokens.ts';
import { knownVersion } from '../../support/folder-version.ts';
import { importPublicKey } from './import-public-key.ts';
import { KeyFolderError } from './key-folder-error.ts';
import type { KeyFolder, SigningPair } from './key-folder.ts';
import { KEY_STEPS } from './key-version.ts';
import { storageCipher, type StorageCipher } from './storage-cipher.ts';

/** What a running service needs of its keys; the private root key is not among it. */
export interface ServiceKeys {
  readonly root: PublicKey;
  readonly keySet: {
    readonly token: string;
    readonly number: number;
    /** Epoch milliseconds. */
    readonly expiresAt: number;
  };
  readonly signing: SigningPair;
  readonly storage: StorageCipher;
}

/**
 * Reads and cross-checks the key folder. Rejects with `KeyFolderError` or `FolderVersionError`, which name
 * the cure.
 */
export async function loadServiceKeys(
  folder: KeyFolder,
  issuer: string,
  now: number,
): Promise<ServiceKeys> {
  await knownVersion(folder.path, KEY_STEPS);
  const root = await folder.readRootPublic();
  const token = await folder.readKeySet();
  const claims = await verifyKeySet(token, { root, now });
  if (claims.iss !== issuer) {
    throw new KeyFolderError(
      'KEYS_DAMAGED',
      `keys: the key set was made for ${claims.iss}, but the configured url is ${issuer}; put the url back, or run \`passback-cloud keys rotate\` and enrol the agents again`,
    );
  }
  const [current] = claims.keys;
  if (current === undefined) throw new KeyFolderError('KEYS_DAMAGED', 'keys: the key set is empty');
  return {
    root,
    keySet: { token, number: claims.number, expiresAt: claims.exp * 1000 },
    signing: await folder.readSigning(current.kid),
    storage: await storageCipher(await folder.readStorage()),
  };
}

async function verifyKeySet(
  token: string,
  { root, now }: { readonly root: PublicKey; readonly now: number },
): Promise<Claims<'key-set'>> {
  try {
    return await verifyToken('key-set', token, { key: await importPublicKey(root), now });
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    if (error.code === 'EXPIRED') {
      throw new KeyFolderError(
        'KEYS_EXPIRED',
        'keys: the key set has expired; run `passback-cloud keys rotate` with the root key',
        { cause: error },
      );
    }
    throw new KeyFolderError('KEYS_DAMAGED', 'keys: the root key did not sign the key set', {
      cause: error,
    });
  }
}
