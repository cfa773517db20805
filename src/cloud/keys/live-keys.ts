import type { KeyFolder } from './key-folder.ts';
import { loadServiceKeys, type ServiceKeys } from './service-keys.ts';

/** The keys of a running service: a rotation made beside it is found without a restart. */
export class LiveKeys {
  readonly #folder: KeyFolder;
  readonly #issuer: string;
  #current: ServiceKeys;

  private constructor(folder: KeyFolder, issuer: string, keys: ServiceKeys) {
    this.#folder = folder;
    this.#issuer = issuer;
    this.#current = keys;
  }

  /** Reads and cross-checks the key folder. Rejects with `KeyFolderError`, which names the cure. */
  static async load(folder: KeyFolder, issuer: string, now: number): Promise<LiveKeys> {
    return new LiveKeys(folder, issuer, await loadServiceKeys(folder, issuer, now));
  }

  get current(): ServiceKeys {
    return this.#current;
  }

  /**
   * What the folder holds now, when its key set is another and a higher one; the service goes on
   * with what it has until `use`. Rejects with `KeyFolderError` when the folder cannot be used.
   */
  async look(now: number): Promise<ServiceKeys | undefined> {
    if ((await this.#folder.readKeySet()) === this.#current.keySet.token) return undefined;
    const found = await loadServiceKeys(this.#folder, this.#issuer, now);
    // Agents keep the highest number: with an older set none of them would obey.
    return found.keySet.number > this.#current.keySet.number ? found : undefined;
  }

  use(keys: ServiceKeys): void {
    this.#current = keys;
  }
}
