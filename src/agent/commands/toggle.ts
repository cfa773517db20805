import { decodeJwt } from 'jose';
import { CLOCK_TOLERANCE_S, ToggleClaims } from '../../protocol/command.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { Journal } from './journal.ts';
import type { Verifier } from './verify.ts';

/** Whether the service lets this directory be written to; before the first statement it does. */
export interface ToggleState {
  readonly version: number;
  readonly enabled: boolean;
  readonly reason: string;
}

const NEVER_SET: ToggleState = { version: 0, enabled: true, reason: '' };

/** The newest signed statement, kept in the journal; older ones are ignored. */
export class Toggle {
  readonly #journal: Journal;
  readonly #verifier: Verifier;
  #state: ToggleState;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(journal: Journal, verifier: Verifier) {
    this.#journal = journal;
    this.#verifier = verifier;
    // Its signature was verified when it was written; the key may have been rotated out since.
    this.#state =
      journal.toggle === undefined ? NEVER_SET : ToggleClaims.parse(decodeJwt(journal.toggle));
  }

  get state(): ToggleState {
    return this.#state;
  }

  /** Takes a statement: durably when it is newer. Rejects with `TokenError` when it is not the service's. */
  offer(statement: string): Promise<'newer' | 'same' | 'older'> {
    const offered = this.#turn.then(() => this.#take(statement));
    this.#turn = offered.catch(() => undefined); // the caller hears of it; the next one goes on
    return offered;
  }

  async #take(statement: string): Promise<'newer' | 'same' | 'older'> {
    const { commandKeys: key, now, directory, issuer } = this.#verifier;
    const claims = await verifyToken('writeback', statement, {
      key,
      now: now(),
      audience: directory,
      issuer,
    });
    const { version, enabled, reason } = claims;
    refuseFuture(version, now());
    if (version < this.#state.version) return 'older';
    if (version === this.#state.version) {
      // Two statements of one version that differ: the first one heard stays.
      return enabled === this.#state.enabled ? 'same' : 'older';
    }
    await this.#journal.append({ type: 'toggle', version, jws: statement });
    this.#state = { version, enabled, reason };
    return 'newer';
  }
}

/**
 * A version is the service's time of the change. One from the future, signed by whoever stole the
 * key, would outrank all that the service says after the key was replaced.
 */
function refuseFuture(version: number, now: number): void {
  if (version <= now + CLOCK_TOLERANCE_S * 1000) return;
  throw new TokenError(
    'NOT_YET_VALID',
    `writeback token: its version ${version} is a time in the future, here it is ${timestamp(now)}`,
  );
}
