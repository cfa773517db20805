import type { CryptoKey } from 'jose';
import type { PublicKey } from '../../protocol/keys.ts';
import { importPublicKey } from './import-public-key.ts';

const MAX_KEPT = 1_024;

/** Imported public keys, kept because importing one costs as much as verifying with it. */
export class DeviceKeys {
  readonly #kept = new Map<string, CryptoKey>();

  /** The key of a validated JWK. */
  async get(key: PublicKey): Promise<CryptoKey> {
    const name = `${key.x}.${key.y}`;
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const imported = await importPublicKey(key);
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(name, imported);
    return imported;
  }
}
