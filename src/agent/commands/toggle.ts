import { decodeJwt } from 'jose';
import { CLOCK_TOLERANCE_S, isWritable, ToggleClaims } from '../../protocol/command.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { Clock } from '../../support/clock.ts';
import { onAbort } from '../../support/on-abort.ts';
import type { Journal } from './journal.ts';
import type { Verifier } from './verify.ts';

/** Whether the service lets this directory be written to; before the first statement it does. */
export interface ToggleState {
  readonly version: number;
  readonly enabled: boolean;
  readonly reason: string;
  /** When the pause ends by itself. */
  readonly until?: string;
}

/** What was stated; `until` is epoch milliseconds. */
interface Stated {
  readonly version: number;
  readonly enabled: boolean;
  readonly reason: string;
  readonly until?: number;
}

const NEVER_SET: Stated = { version: 0, enabled: true, reason: '' };

/** Somebody may set the wall clock while the end of a pause is waited for. */
const LOOK_EVERY_MS = 30_000;

/** The newest signed statement, kept in the journal; older ones are ignored. */
export class Toggle {
  readonly #journal: Journal;
  readonly #verifier: Verifier;
  #stated: Stated;
  #changed = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(journal: Journal, verifier: Verifier) {
    this.#journal = journal;
    this.#verifier = verifier;
    // Its signature was verified when it was written; the key may have been rotated out since.
    this.#stated =
      journal.toggle === undefined
        ? NEVER_SET
        : toStated(ToggleClaims.parse(decodeJwt(journal.toggle)));
  }

  /** As of now: a pause whose time is over holds nobody back, whether the service can be reached or not. */
  get state(): ToggleState {
    const { version, reason, until } = this.#stated;
    if (isWritable(this.#stated, this.#verifier.now())) return { version, enabled: true, reason };
    const ends = until === undefined ? {} : { until: timestamp(until) };
    return { version, enabled: false, reason, ...ends };
  }

  /** Calls `onEnd` whenever a pause ends because its time is over. Resolves when `signal` aborts. */
  async watchEnds(onEnd: () => void, clock: Clock, signal: AbortSignal): Promise<void> {
    let wasPaused = !this.state.enabled;
    while (!signal.aborted) {
      await this.#untilWorthALook(clock, signal);
      const isPaused = !this.state.enabled;
      if (wasPaused && !isPaused && !this.#stated.enabled) onEnd();
      wasPaused = isPaused;
    }
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
    const stated = toStated(claims);
    const { version, enabled, until } = stated;
    const known = this.#stated;
    refuseFuture(version, now());
    if (version < known.version) return 'older';
    if (version === known.version) {
      // Two statements of one version that differ: the first one heard stays.
      return enabled === known.enabled && until === known.until ? 'same' : 'older';
    }
    await this.#journal.append({ type: 'toggle', version, jws: statement });
    this.#stated = stated;
    this.#changed.abort();
    this.#changed = new AbortController();
    return 'newer';
  }

  /** Resolves when another statement was taken, or when the pause may be over. */
  async #untilWorthALook(clock: Clock, signal: AbortSignal): Promise<void> {
    const wake = new AbortController();
    const stop = (): void => {
      wake.abort();
    };
    const offs = [onAbort(signal, stop), onAbort(this.#changed.signal, stop)];
    const { enabled, until } = this.#stated;
    const leftMs = enabled || until === undefined ? 0 : until - clock.now();
    if (leftMs > 0) await clock.sleep(Math.min(leftMs, LOOK_EVERY_MS), wake.signal);
    else await aborted(wake.signal);
    for (const off of offs) off();
  }
}

function toStated({ version, enabled, reason, until }: ToggleClaims): Stated {
  return { version, enabled, reason, ...(until !== undefined && { until: Date.parse(until) }) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
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
