import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { z } from 'zod';
import { publicKey, PublicKey } from '../../protocol/keys.ts';
import { Base64Url, CompactJws, Sha256 } from '../../protocol/shapes.ts';
import type { SigningKey } from '../../protocol/tokens.ts';
import { removeLeftOvers, syncFolder, writeFileDurably } from '../../support/files.ts';
import { KeyFolderError } from './key-folder-error.ts';
import { parseJson } from '../../support/parse-json.ts';

const PrivateKeyFile = PublicKey.safeExtend({ d: Base64Url.length(43) });

const StorageKeyFile = z.strictObject({
  kty: z.literal('oct'),
  alg: z.literal('A256GCM'),
  kid: Sha256,
  k: Base64Url.length(43),
});

const KeySetFile = z.strictObject({ keySet: CompactJws });

export type StorageKeyFile = z.infer<typeof StorageKeyFile>;

/** A private signing key and its public half. */
export interface SigningPair extends SigningKey {
  readonly key: CryptoKey;
  readonly publicKey: PublicKey;
}

/** A private root key from wherever it is kept off line. Rejects with `KeyFolderError`. */
export function readRootKey(path: string): Promise<SigningPair> {
  return new KeyFolder(dirname(path)).readPair(basename(path), 'ROOT_KEY_MISSING');
}

/** Where each key of the service is kept. Every read rejects with `KeyFolderError`. */
export class KeyFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The private root key: there only while the root is kept on line. */
  readRoot(): Promise<SigningPair> {
    return this.readPair('root.json', 'ROOT_KEY_MISSING');
  }

  readRootPublic(): Promise<PublicKey> {
    return this.#read('root.public.json', PublicKey);
  }

  readSigning(kid: string): Promise<SigningPair> {
    return this.readPair(nameOf(kid), 'KEYS_MISSING');
  }

  async hasSigning(kid: string): Promise<boolean> {
    return (await readdir(this.path)).includes(nameOf(kid));
  }

  /** Deletes the private signing keys that sign no more, and what a killed process left half written. */
  async deleteSigningBut(kids: readonly string[]): Promise<void> {
    const kept = new Set(kids.map(nameOf));
    for (const name of await readdir(this.path)) {
      const stale = name.startsWith('signing-') && isKeyFile(name) && !kept.has(name);
      if (stale) await rm(join(this.path, name), { force: true });
    }
    await removeLeftOvers(this.path, { isOurs: isKeyFile });
    await syncFolder(this.path);
  }

  /** Deletes what a killed process left half written. Keys may be rotated beside a service that starts. */
  sweep(now: number): Promise<void> {
    return removeLeftOvers(this.path, { isOurs: isKeyFile, before: now - WRITTEN_WITHIN_MS });
  }

  readStorage(): Promise<StorageKeyFile> {
    return this.#read('storage.json', StorageKeyFile);
  }

  async readKeySet(): Promise<string> {
    return (await this.#read('key-set.json', KeySetFile)).keySet;
  }

  /** Makes a signing key and keeps it; nothing uses it before a key set names it. */
  async createPair(purpose: 'root' | 'signing'): Promise<PublicKey> {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(privateKey);
    const half = await publicKey(jwk, 'sig');
    const name = purpose === 'root' ? 'root.json' : nameOf(half.kid);
    await this.#write(name, PrivateKeyFile.parse({ ...half, d: jwk.d }));
    return half;
  }

  async writeRootPublic(root: PublicKey): Promise<void> {
    await this.#write('root.public.json', root);
  }

  async writeStorage(key: StorageKeyFile): Promise<void> {
    await this.#write('storage.json', key);
  }

  /** The moment from which a new key set counts. */
  async writeKeySet(keySet: string): Promise<void> {
    await this.#write('key-set.json', { keySet });
  }

  /** The key pair in a file of this folder. */
  async readPair(name: string, missing: 'ROOT_KEY_MISSING' | 'KEYS_MISSING'): Promise<SigningPair> {
    const { d, ...half } = await this.#read(name, PrivateKeyFile, missing);
    const { kty, crv, x, y, kid } = half;
    try {
      const key = await importJWK({ kty, crv, x, y, d } satisfies JWK, 'ES256');
      if (key instanceof Uint8Array) throw new TypeError('not a key pair');
      return { kid, key, publicKey: half };
    } catch {
      throw this.#damaged(name); // the cause could quote the key
    }
  }

  async #read<T>(
    name: string,
    schema: z.ZodType<T>,
    missing: 'ROOT_KEY_MISSING' | 'KEYS_MISSING' = 'KEYS_MISSING',
  ): Promise<T> {
    const path = join(this.path, name);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      throw new KeyFolderError(missing, `keys: cannot read ${path}; ${CURES[missing]}`, {
        cause: error,
      });
    }
    const parsed = schema.safeParse(parseJson(text));
    if (!parsed.success) throw this.#damaged(name); // zod's own error could quote the key
    return parsed.data;
  }

  async #write(name: string, content: object): Promise<void> {
    await writeFileDurably(join(this.path, name), `${JSON.stringify(content)}\n`);
  }

  #damaged(name: string): KeyFolderError {
    return new KeyFolderError(
      'KEYS_DAMAGED',
      `keys: ${join(this.path, name)} is damaged; put it back from a backup`,
    );
  }
}

const CURES = {
  KEYS_MISSING: 'run `passback-cloud init` first, or put the key folder back from a backup',
  ROOT_KEY_MISSING: 'bring the root key back from where it is kept off line',
} as const;

/** Nobody takes as long to write a key. */
const WRITTEN_WITHIN_MS = 60_000;

const KEY_FILE = /^(?:root|root\.public|storage|key-set|version|signing-[\w-]{43})\.json$/;

function isKeyFile(name: string): boolean {
  return KEY_FILE.test(name);
}

function nameOf(kid: string): string {
  return `signing-${kid}.json`;
}
