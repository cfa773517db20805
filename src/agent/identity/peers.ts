import type { PeerStatement } from '../../protocol/messages.ts';
import { importJWK } from 'jose';
import { isTrulyNamed, thumbprint } from '../../protocol/keys.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { Logger } from '../../support/logger.ts';

/** A command under way may be sealed to a key that a peer has replaced since; more is not needed. */
const KEYS_PER_PEER = 4;

export interface PeersOptions {
  /** Device-key fingerprints of the directory's other agents; empty: recipients are not checked. */
  readonly fingerprints: readonly string[];
  /** Whether a sealing key is this agent's own. */
  readonly isOwn: (kid: string) => boolean;
  readonly now: () => number;
  readonly log: Logger;
}

/**
 * Whom the admin on site expects secrets to be sealed to. The service names the keys, but a key
 * counts only under the signature of a configured peer; none is kept on disk, because every welcome
 * says them again, with those that commands under way may still be sealed to.
 */
export class Peers {
  readonly #options: PeersOptions;
  readonly #known = new Map<string, readonly string[]>();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Learns the keys of configured peers; what they did not sign is left out. Never rejects. */
  offer(statements: readonly PeerStatement[]): Promise<void> {
    const done = this.#queue.then(async () => {
      for (const statement of statements) await this.#learn(statement);
    });
    this.#queue = done;
    return done;
  }

  /**
   * The first recipient that is neither this agent's nor a peer's; undefined when there is none.
   * Whatever was offered before the call has been looked at.
   */
  async stranger(recipients: readonly string[]): Promise<string | undefined> {
    const { fingerprints, isOwn, log } = this.#options;
    if (fingerprints.length === 0) return undefined;
    await this.#queue;
    const known = new Set([...this.#known.values()].flat());
    const stranger = recipients.find((kid) => !known.has(kid) && !isOwn(kid));
    // Whoever put that key there reads the password: this is what the fingerprints are for.
    if (stranger !== undefined) log.error('keys.unknown_recipient', { kid: stranger });
    return stranger;
  }

  async #learn({ deviceKey, sealingKey }: PeerStatement): Promise<void> {
    const { fingerprints, now, log } = this.#options;
    if (!fingerprints.includes(deviceKey.kid)) return;
    const peer = deviceKey.kid;
    try {
      if (peer !== (await thumbprint(deviceKey))) throw new TokenError('MALFORMED', 'misnamed key');
      const { kty, crv, x, y } = deviceKey;
      const { key } = await verifyToken('sealing-key', sealingKey, {
        key: await importJWK({ kty, crv, x, y }, 'ES256'),
        now: now(),
        issuer: peer,
      });
      if (!(await isTrulyNamed(key))) throw new TokenError('MALFORMED', 'misnamed sealing key');
      const earlier = (this.#known.get(peer) ?? []).filter((kid) => kid !== key.kid);
      this.#known.set(peer, [key.kid, ...earlier].slice(0, KEYS_PER_PEER));
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      log.error('keys.peer_refused', { peer, reason: error.message });
    }
  }
}
