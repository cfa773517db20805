import { access, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { base64url } from 'jose';
import { z } from 'zod';
import { sha256 } from '../../protocol/digest.ts';
import { KeySetClaims, type PublicKey } from '../../protocol/keys.ts';
import { Sha256 } from '../../protocol/shapes.ts';
import { signToken, verifyToken } from '../../protocol/tokens.ts';
import { privateFolder } from '../../support/files.ts';
import { knownVersion, markNewest } from '../../support/folder-version.ts';
import { importPublicKey } from './import-public-key.ts';
import { KeyFolderError } from './key-folder-error.ts';
import { KeyFolder, type SigningPair, type StorageKeyFile } from './key-folder.ts';
import { KEY_STEPS } from './key-version.ts';

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
  await markNewest(draft.path, KEY_STEPS);
  const root = await draft.createPair('root');
  await draft.writeRootPublic(root);
  await draft.writeStorage(createStorageKey());
  const keys = [await draft.createPair('signing'), await draft.createPair('signing')];
  const claims = keySetClaims({ issuer, number: 1, keys, now });
  const summary = await install(draft, await signToken('key-set', claims, await draft.readRoot()));
  await rename(draft.path, path);
  return { ...summary, root };
}

export interface Rotation {
  readonly issuer: string;
  readonly now: number;
  /** No key of the sets before is good any more: somebody may have a copy. */
  readonly compromised?: boolean;
}

/**
 * Makes the next key set: the key that was announced for it signs from now on, another one is
 * announced, and the key before stays for what is under way. So an agent that has only the set
 * before believes the new signer already. Needs the private root key.
 */
export async function rotateKeys(folder: KeyFolder, rotation: Rotation): Promise<KeySetSummary> {
  const root = await folder.readRoot();
  const claims = await nextKeySet(folder, rotation);
  return installKeySet(folder, await signToken('key-set', claims, root));
}

const Draft = z.strictObject({ root: Sha256, keySet: KeySetClaims });

/** A key set without its signature, and the id of the root key that is to sign it. */
export type Draft = z.infer<typeof Draft>;

/** The next key set, for a root key that is somewhere else; its keys are made here. */
export async function draftKeySet(folder: KeyFolder, rotation: Rotation): Promise<Draft> {
  const { kid: root } = await folder.readRootPublic();
  return { root, keySet: await nextKeySet(folder, rotation) };
}

async function nextKeySet(
  folder: KeyFolder,
  { issuer, now, compromised = false }: Rotation,
): Promise<KeySetClaims> {
  const { number, keys } = await readSoundFolder(folder);
  const [current, next] = compromised ? [] : keys;
  const signer = next !== undefined && (await folder.hasSigning(next.kid)) ? next : undefined;
  const made = [signer ?? (await folder.createPair('signing')), await folder.createPair('signing')];
  const kept = current === undefined ? [] : [current];
  return keySetClaims({ issuer, number: number + 1, keys: [...made, ...kept], now });
}

/** Signs a drafted key set, where the root key is. Rejects with `DRAFT_UNUSABLE`. */
export async function signKeySet(root: SigningPair, draft: unknown): Promise<string> {
  const { success, data } = Draft.safeParse(draft);
  if (!success) {
    throw new KeyFolderError('DRAFT_UNUSABLE', 'keys: this is not what `keys draft` writes');
  }
  if (data.root === root.kid) return signToken('key-set', data.keySet, root);
  throw new KeyFolderError(
    'DRAFT_UNUSABLE',
    `keys: this draft is for the root key ${data.root}, and --root is ${root.kid}; agents would not believe it`,
  );
}

/**
 * Takes a signed key set into use, if the root signed it and it is newer than the one before; a
 * running service finds it by itself. Private keys that sign no more are deleted.
 */
export async function installKeySet(folder: KeyFolder, token: string): Promise<KeySetSummary> {
  const before = await readSoundFolder(folder);
  const claims = await verifiedBy(await folder.readRootPublic(), token);
  if (claims.number <= before.number || claims.iss !== before.iss) {
    throw new KeyFolderError(
      'DRAFT_UNUSABLE',
      `keys: key set ${claims.number} of ${claims.iss} is not newer than ${before.number} of ${before.iss}; make a new draft`,
    );
  }
  const [signer] = claims.keys;
  if (signer !== undefined) await folder.readSigning(signer.kid);
  return install(folder, token);
}

async function install(folder: KeyFolder, token: string): Promise<KeySetSummary> {
  await folder.writeKeySet(token);
  const { number, exp, keys } = await readKeySet(folder);
  // The set first: killed in between, there is a key too many, which the next rotation deletes.
  await folder.deleteSigningBut(keys.slice(0, 2).map(({ kid }) => kid));
  return { number, expiresAt: exp * 1000 };
}

interface KeySet {
  readonly issuer: string;
  readonly number: number;
  readonly keys: PublicKey[];
  readonly now: number;
}

function keySetClaims({ issuer: iss, number, keys, now }: KeySet): KeySetClaims {
  const iat = Math.floor(now / 1000);
  return { iss, number, iat, exp: iat + KEY_SET_LIFETIME_S, keys };
}

/** The key set, if the other keys are whole, too: a change that went well would say that they are. */
async function readSoundFolder(folder: KeyFolder): Promise<KeySetClaims> {
  await folder.readStorage();
  return readKeySet(folder);
}

async function readKeySet(folder: KeyFolder): Promise<KeySetClaims> {
  await knownVersion(folder.path, KEY_STEPS);
  return verifiedBy(await folder.readRootPublic(), await folder.readKeySet());
}

/** An expired set is just what a rotation replaces, so it is read as of the time it was made. */
async function verifiedBy(root: PublicKey, token: string): Promise<KeySetClaims> {
  try {
    return await verifyToken('key-set', token, { key: await importPublicKey(root), now: 0 });
  } catch (error) {
    throw new KeyFolderError('KEYS_DAMAGED', 'keys: the key set was not signed by this root key', {
      cause: error,
    });
  }
}

function createStorageKey(): StorageKeyFile {
  const k = base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
  return { kty: 'oct', alg: 'A256GCM', kid: sha256(crypto.randomUUID()), k };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false; // whatever stands in the way, writing will say
  }
}
