import type { CryptoKey } from 'jose';
import type { PublicKey } from '../../protocol/keys.ts';
import { importPublicKey } from './import-public-key.ts';

/** Nine KiB each: enough for those that connect at one time, and for those that have work. */
const MAX_KEPT = 512;

/** Imported public keys, kept because importing one costs as much as verifying with it. */
export class DeviceKeys {
  readonly #kept = new Map<string, CryptoKey>();

  /** The key of a validated JWK. */
  async get(key: PublicKey): Promise<CryptoKey> {
    const name = `${key.x}.${key.y}`;
    const imported = this.#kept.get(name) ?? (await importPublicKey(key));
    this.#kept.delete(name);
    this.#kept.set(name, imported); // last, because it was used last
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return imported;
  }
}
