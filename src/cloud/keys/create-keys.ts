import { access, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { base64url } from 'jose';
import { sha256 } from '../../protocol/canonical.ts';
import type { PublicKey } from '../../protocol/keys.ts';
import { signToken, verifyToken } from '../../protocol/tokens.ts';
import { privateFolder } from '../../support/files.ts';
import { importPublicKey } from './import-public-key.ts';
import { KeyFolderError } from './key-folder-error.ts';
import { KeyFolder, type SigningPair, type StorageKeyFile } from './key-folder.ts';

const KEY_SET_LIFETIME_S = 365 * 24 * 3600;

export interface KeySetSummary {
  readonly number: number;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Makes every key of a new service, all or none. Rejects with `KEYS_EXIST` rather than replace one. */
export async function createKeys(
  path: string,
  issuer: string,
  now: number,
): Promise<KeySetSummary & { readonly root: PublicKey }> {
  if (await exists(path)) {
    throw new KeyFolderError(
      'KEYS_EXIST',
      `keys: ${path} is there already; use another data folder, or \`passback-cloud keys rotate\``,
    );
  }
  await privateFolder(dirname(path));
  const draft = new KeyFolder(`${path}.new`);
  await rm(draft.path, { recursive: true, force: true });
  await privateFolder(draft.path);
  const root = await draft.createPair('root');
  await draft.writeRootPublic(root);
  await draft.writeStorage(await createStorageKey());
  const signing = await draft.createPair('signing');
  const set = { issuer, number: 1, keys: [signing], now };
  const summary = await writeKeySet(draft, await draft.readRoot(), set);
  await rename(draft.path, path);
  return { ...summary, root };
}

/**
 * Makes the next command-signing key and a key set that names it first; the key before stays in
 * the set for what is under way. Needs the private root key.
 */
export async function rotateKeys(
  folder: KeyFolder,
  issuer: string,
  now: number,
): Promise<KeySetSummary> {
  const root = await folder.readRoot();
  const current = await readClaims(folder, root);
  const signing = await folder.createPair('signing');
  return writeKeySet(folder, root, {
    issuer,
    number: current.number + 1,
    keys: [signing, ...current.keys.slice(0, 1)],
    now,
  });
}

interface KeySet {
  readonly issuer: string;
  readonly number: number;
  readonly keys: PublicKey[];
  readonly now: number;
}

async function writeKeySet(
  folder: KeyFolder,
  root: SigningPair,
  { issuer, number, keys, now }: KeySet,
): Promise<KeySetSummary> {
  const iat = Math.floor(now / 1000);
  const exp = iat + KEY_SET_LIFETIME_S;
  await folder.writeKeySet(
    await signToken('key-set', { iss: issuer, number, iat, exp, keys }, root),
  );
  return { number, expiresAt: exp * 1000 };
}

/** An expired set is just what a rotation replaces, so it is read as of the time it was made. */
async function readClaims(
  folder: KeyFolder,
  root: SigningPair,
): Promise<{ number: number; keys: PublicKey[] }> {
  const token = await folder.readKeySet();
  try {
    return await verifyToken('key-set', token, {
      key: await importPublicKey(root.publicKey),
      now: 0,
    });
  } catch (error) {
    throw new KeyFolderError('KEYS_DAMAGED', 'keys: the key set was not signed by this root key', {
      cause: error,
    });
  }
}

async function createStorageKey(): Promise<StorageKeyFile> {
  const k = base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
  return { kty: 'oct', alg: 'A256GCM', kid: await sha256(crypto.randomUUID()), k };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false; // whatever stands in the way, writing will say
  }
}
