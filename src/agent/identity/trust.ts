import {
  createLocalJWKSet,
  decodeJwt,
  importJWK,
  type CryptoKey,
  type JWTVerifyGetKey,
} from 'jose';
import { CLOCK_TOLERANCE_S } from '../../protocol/command.ts';
import type { KeySetClaims, PublicKey } from '../../protocol/keys.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { Clock } from '../../support/clock.ts';
import type { Trust } from './identity.ts';
import { IdentityError } from './identity-error.ts';
import { readState, writeState } from './state-files.ts';

export interface TrustOptions {
  readonly folder: string;
  readonly root: PublicKey;
  readonly issuer: string;
  readonly clock: Clock;
}

/** The pinned root, and the highest key set under it as the state folder holds it. */
export class StoredTrust implements Trust {
  readonly #options: TrustOptions;
  readonly #root: CryptoKey;
  #claims: KeySetClaims;
  #lookUp: JWTVerifyGetKey;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: TrustOptions, root: CryptoKey, claims: KeySetClaims) {
    this.#options = options;
    this.#root = root;
    this.#claims = claims;
    this.#lookUp = createLocalJWKSet({ keys: claims.keys });
  }

  /** Takes the first key set, from enrolment. Rejects with `TokenError` when the root did not sign it. */
  static async create(options: TrustOptions, keySet: string): Promise<StoredTrust> {
    const root = await importRoot(options.root);
    const claims = await verifyToken('key-set', keySet, {
      key: root,
      now: options.clock.now(),
      issuer: options.issuer,
    });
    await writeState(options.folder, 'keySet', { keySet });
    return new StoredTrust(options, root, claims);
  }

  /** Reads the key set from the state folder. An expired one loads, and trusts nobody. */
  static async load(options: TrustOptions): Promise<StoredTrust> {
    const root = await importRoot(options.root);
    const stored = await readState(options.folder, 'keySet');
    if (stored === undefined) throw damaged(options.folder);
    const claims = await verifyToken('key-set', stored.keySet, {
      key: root,
      now: issuedAt(stored.keySet),
      issuer: options.issuer,
    }).catch((cause: unknown) => {
      throw damaged(options.folder, cause);
    });
    return new StoredTrust(options, root, claims);
  }

  get number(): number {
    return this.#claims.number;
  }

  get expiresAt(): number {
    return this.#claims.exp * 1000;
  }

  /** A set that was offered before the look-up counts: it is on its way to the disk only. */
  readonly commandKeys: JWTVerifyGetKey = async (header, token) => {
    await this.#queue;
    const now = this.#options.clock.now();
    if (now <= this.expiresAt + CLOCK_TOLERANCE_S * 1000) return this.#lookUp(header, token);
    const { number, expiresAt } = this;
    throw new TokenError(
      'BAD_SIGNATURE',
      `key set ${number} expired at ${timestamp(expiresAt)}, here it is ${timestamp(now)}; run \`passback-cloud keys rotate\`, or compare the clocks`,
    );
  };

  offer(keySet: string, now: number): Promise<'newer' | 'same' | 'older'> {
    const done = this.#queue.then(() => this.#take(keySet, now));
    this.#queue = done.catch(() => undefined); // whoever made that offer has heard
    return done;
  }

  async #take(keySet: string, now: number): Promise<'newer' | 'same' | 'older'> {
    const { folder, issuer } = this.#options;
    const claims = await verifyToken('key-set', keySet, { key: this.#root, now, issuer });
    if (claims.number === this.#claims.number) return 'same';
    if (claims.number < this.#claims.number) return 'older';
    // The disk first: after a restart the agent must not believe an older set again.
    await writeState(folder, 'keySet', { keySet });
    this.#claims = claims;
    this.#lookUp = createLocalJWKSet({ keys: claims.keys });
    return 'newer';
  }
}

function importRoot({ kty, crv, x, y }: PublicKey): Promise<CryptoKey> {
  return importJWK({ kty, crv, x, y }, 'ES256');
}

function issuedAt(keySet: string): number {
  try {
    return (decodeJwt(keySet).iat ?? 0) * 1000;
  } catch {
    return 0; // no JWT at all: the verification that follows says so
  }
}

function damaged(folder: string, cause?: unknown): IdentityError {
  return new IdentityError(
    'STATE_DAMAGED',
    `the key set in ${folder} is missing or was not signed by the pinned root: empty the folder and enrol again with a new token`,
    { cause },
  );
}
