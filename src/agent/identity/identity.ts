import type { CryptoKey, JWTVerifyGetKey } from 'jose';
import type { SigningKey } from '../../protocol/tokens.ts';

/** Who this agent is and whom it believes; made by enrolment, kept in the state folder. */
export interface Identity {
  readonly agentId: string;
  readonly directory: string;
  /** The service's public URL: issuer of its tokens, audience of ours. */
  readonly issuer: string;
  readonly device: SigningKey & { readonly key: CryptoKey };
  readonly trust: Trust;
  readonly sealing: SealingKeys;
}

/** The pinned root and the newest key set under it. */
export interface Trust {
  /** Looks a command-signing key up by `kid` in the newest key set; jose's contract. */
  readonly commandKeys: JWTVerifyGetKey;
  readonly number: number;
  /** When the set ends: no command is believed under an expired one. Epoch milliseconds. */
  readonly expiresAt: number;
  /**
   * Takes a key set: kept (durably) when the root signed it and its number is higher; `same` or
   * `older` when it is not newer. Rejects with `TokenError` when the root did not sign it.
   */
  offer(keySet: string, now: number): Promise<'newer' | 'same' | 'older'>;
}

export interface SealingKeys {
  /** The private key of a thumbprint, while it is kept. */
  find(kid: string, now: number): CryptoKey | undefined;
  readonly currentKid: string;
  readonly currentSince: number;
  /** The newest public key with the device key's word for it (a `sealing-key` token). */
  readonly statement: string;
}
