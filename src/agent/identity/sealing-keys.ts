import { exportJWK, generateKeyPair, importJWK, type CryptoKey } from 'jose';
import { CLOCK_TOLERANCE_S } from '../../protocol/command.ts';
import { publicKey, thumbprint } from '../../protocol/keys.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { signToken, type SigningKey } from '../../protocol/tokens.ts';
import type { SealingKeys } from './identity.ts';
import { IdentityError } from './identity-error.ts';
import { readState, writeState, type PrivateKey, type SealingKeyFile } from './state-files.ts';

/** How long a replaced key still opens what was sealed to it: far longer than an operation lives. */
export const KEEP_REPLACED_MS = 2 * 3_600_000;

/** A sealing key is replaced after this long, so that a stolen state folder opens little. */
const MAX_AGE_MS = 24 * 3_600_000;

/** A clock that jumps to and fro must not make the file grow. */
const MAX_REPLACED = 8;

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

  /** Not beyond its time, however late `expire` comes. */
  find(kid: string, now: number): CryptoKey | undefined {
    return this.#entries.filter(stillKept(now)).find((entry) => entry.kid === kid)?.key;
  }

  /**
   * Rotates when the current key has come of age, else deletes what is kept no longer. A key from
   * the future was made while the clock was wrong: the service would not take it.
   */
  async keepFresh(now: number): Promise<'rotated' | 'kept'> {
    const age = now - this.currentSince;
    if (age < MAX_AGE_MS && age > -CLOCK_TOLERANCE_S * 1000) {
      await this.expire(now);
      return 'kept';
    }
    await this.rotate(now);
    return 'rotated';
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
      const kept = replaced.filter(stillKept(now)).slice(0, MAX_REPLACED);
      await this.#keep([await makeEntry(this.#device, now), ...kept]);
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

/** Replaced in what is the future now: the clock was set back, and nobody could say for how long to keep it. */
function stillKept(now: number): (entry: Entry) => boolean {
  return ({ stored: { until } }) => {
    if (until === undefined) return true;
    const leftMs = Date.parse(until) - now;
    return leftMs > 0 && leftMs <= 2 * KEEP_REPLACED_MS;
  };
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
