import { exportJWK, generateKeyPair, importJWK, type CryptoKey } from 'jose';
import { publicKey, thumbprint } from '../../protocol/keys.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { signToken, type SigningKey } from '../../protocol/tokens.ts';
import type { SealingKeys } from './identity.ts';
import { IdentityError } from './identity-error.ts';
import { readState, writeState, type PrivateKey, type SealingKeyFile } from './state-files.ts';

/** How long a replaced key still opens what was sealed to it: far longer than an operation lives. */
export const KEEP_REPLACED_MS = 2 * 3_600_000;

type StoredKey = SealingKeyFile['keys'][number];

interface Entry {
  readonly stored: StoredKey;
  readonly kid: string;
  readonly key: CryptoKey;
}

/** The sealing keys on disk and in memory: what `find` does not find is gone from both. */
export class StoredSealingKeys implements SealingKeys {
  readonly #folder: string;
  readonly #device: SigningKey;
  #entries: readonly Entry[];
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, device: SigningKey, entries: readonly Entry[]) {
    this.#folder = folder;
    this.#device = device;
    this.#entries = entries;
  }

  /** Makes the first key of an agent and writes it durably. */
  static async create(folder: string, device: SigningKey, now: number): Promise<StoredSealingKeys> {
    const keys = new StoredSealingKeys(folder, device, []);
    await keys.#keep([await makeEntry(device, now)]);
    return keys;
  }

  /** Reads the keys from the state folder. Rejects with `IdentityError`. */
  static async load(folder: string, device: SigningKey): Promise<StoredSealingKeys> {
    const file = await readState(folder, 'sealing');
    if (file === undefined) {
      throw new IdentityError(
        'STATE_DAMAGED',
        `the sealing keys are missing in ${folder}: empty it and enrol again with a new token`,
      );
    }
    return new StoredSealingKeys(folder, device, await Promise.all(file.keys.map(toEntry)));
  }

  get currentKid(): string {
    return this.#current.kid;
  }

  get currentSince(): number {
    return Date.parse(this.#current.stored.since);
  }

  get statement(): string {
    return this.#current.stored.statement;
  }

  find(kid: string): CryptoKey | undefined {
    return this.#entries.find((entry) => entry.kid === kid)?.key;
  }

  /**
   * Makes a new current key, keeps the old ones for `KEEP_REPLACED_MS`, and deletes those whose
   * time is over. Resolves when the disk has it; killed half-way, nothing has changed.
   */
  rotate(now: number): Promise<void> {
    return this.#alone(async () => {
      const until = timestamp(now + KEEP_REPLACED_MS);
      const replaced = this.#entries.map((entry) => ({
        ...entry,
        stored: { ...entry.stored, until: entry.stored.until ?? until },
      }));
      await this.#keep([await makeEntry(this.#device, now), ...replaced.filter(stillKept(now))]);
    });
  }

  /** Deletes replaced keys whose time is over, durably. */
  expire(now: number): Promise<void> {
    return this.#alone(async () => {
      const kept = this.#entries.filter(stillKept(now));
      if (kept.length < this.#entries.length) await this.#keep(kept);
    });
  }

  get #current(): Entry {
    const [current] = this.#entries;
    if (current === undefined) throw new TypeError('sealing keys: none was made');
    return current;
  }

  /** The disk first: a key that nobody else could find again must not be used. */
  async #keep(entries: readonly Entry[]): Promise<void> {
    await writeState(this.#folder, 'sealing', { keys: entries.map(({ stored }) => stored) });
    this.#entries = entries;
  }

  #alone(change: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(change);
    this.#queue = done.catch(() => undefined); // the caller of that change has heard
    return done;
  }
}

function stillKept(now: number): (entry: Entry) => boolean {
  return ({ stored: { until } }) => until === undefined || Date.parse(until) > now;
}

async function makeEntry(device: SigningKey, now: number): Promise<Entry> {
  const pair = await generateKeyPair('ECDH-ES+A256KW', { crv: 'P-256', extractable: true });
  const jwk = (await exportJWK(pair.privateKey)) as PrivateKey; // P-256 by the options above
  const { kty, crv, x, y, d } = jwk;
  const statement = await signToken(
    'sealing-key',
    { iss: device.kid, iat: Math.floor(now / 1000), key: await publicKey(jwk, 'enc') },
    device,
  );
  return toEntry({ private: { kty, crv, x, y, d }, since: timestamp(now), statement });
}

async function toEntry(stored: StoredKey): Promise<Entry> {
  const key = await importJWK(stored.private, 'ECDH-ES+A256KW', { extractable: false });
  return { stored, kid: await thumbprint(stored.private), key };
}
