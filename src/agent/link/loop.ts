import type { StopSignals } from '../../support/stop-signals.ts';
import { Addresses, type TryEnd } from './addresses.ts';
import {
  BACKOFF,
  backoffDelay,
  refusedDelay,
  spreadOf,
  turnedAwayDelay,
  wishedDelay,
} from './backoff.ts';
import { LinkError } from './link-error.ts';
import type { LinkOptions } from './link-options.ts';
import { next, type LinkEvent, type LinkState } from './link-state.ts';
import type { SessionEnd } from './session.ts';

/** One try to have a session at one address, from dialling to its end; rejects with `LinkError` when none began. */
export type Attempt = (
  url: string,
  onEvent: (event: LinkEvent) => void,
  stop: StopSignals & { readonly either: AbortSignal },
) => Promise<SessionEnd>;

export type LoopOptions = Pick<LinkOptions, 'urls' | 'clock' | 'log' | 'random' | 'monitor'>;

/**
 * The loop of `runLink` over any kind of attempt. An address where no session comes about is
 * followed by the next one at once; backoff comes between rounds over all of them.
 */
export async function runAttempts(
  attempt: Attempt,
  options: LoopOptions,
  { drain, abort }: StopSignals,
): Promise<void> {
  const either = AbortSignal.any([drain, abort]);
  const { clock, monitor, random } = options;
  const loop = new Loop(options);
  let [failures, turnedAway] = [0, 0];
  let wasHealthy = false;
  let toldMs: number | undefined;
  while (!either.aborted) {
    const last = await loop.round(attempt, { drain, abort, either });
    if (isAborted(either)) break;
    const isHealthy = last.upMs >= BACKOFF.stableMs;
    // A service that accepts and then drops us is as overloaded as one that refuses us.
    failures = isHealthy ? 0 : failures + 1;
    turnedAway = last.isTurnedAway ? turnedAway + 1 : 0;
    wasHealthy ||= isHealthy;
    toldMs = last.spreadMs ?? toldMs;
    const spreadMs = spreadOf(wasHealthy, toldMs);
    const backoffMs =
      turnedAway > 0
        ? turnedAwayDelay(turnedAway, spreadMs, random)
        : backoffDelay(failures, spreadMs, random);
    const delayMs = Math.max(loop.restMs, backoffMs);
    monitor.waits(delayMs);
    loop.settle(last, { failures, nextTryMs: delayMs });
    await clock.sleep(delayMs, either);
    monitor.waits();
  }
  loop.enter('close');
}

// A function, so that the compiler does not take the answer before a wait for the one after it.
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** A try that has ended, where. */
interface Tried extends TryEnd {
  readonly url: string;
  readonly spreadMs: number | undefined;
  readonly isTurnedAway: boolean;
}

class Loop {
  readonly #options: LoopOptions;
  readonly #addresses: Addresses;
  readonly #teller: Teller;
  #state: LinkState = 'idle';

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#addresses = new Addresses(options.urls);
    this.#teller = new Teller(options);
  }

  /** How long every address is to be left alone. */
  get restMs(): number {
    return Math.ceil(this.#addresses.restMs(this.#now));
  }

  enter(event: LinkEvent): void {
    const reached = next(this.#state, event);
    if (reached === undefined) return;
    this.#state = reached;
    this.#options.monitor.enters(reached);
  }

  /** Asks one address after the other until one has had a session, and gives how the last try ended. */
  async round(attempt: Attempt, stop: Parameters<Attempt>[2]): Promise<Tried> {
    const [first = '', ...others] = this.#addresses.round(this.#now);
    let last = await this.#try(first, attempt, stop);
    for (const url of others) {
      if (last.upMs > 0 || stop.either.aborted) break;
      this.settle(last, { nextTryMs: 0 });
      last = await this.#try(url, attempt, stop);
    }
    return last;
  }

  /** Shows how a try ended; what only a person can change goes before what passes. */
  settle(last: Tried, facts: { readonly failures?: number; readonly nextTryMs: number }): void {
    const { refusal } = this.#addresses;
    const shown = refusal === undefined ? last : { url: refusal.url, ...refusal.end };
    const { at, url, reason, refused } = shown;
    this.#options.monitor.failed({ at, url, reason, refused });
    this.enter(refused ? 'refuse' : 'lost');
    this.#teller.tell(last, facts);
  }

  async #try(url: string, attempt: Attempt, stop: Parameters<Attempt>[2]): Promise<Tried> {
    this.enter(this.#state === 'idle' ? 'dial' : 'retry');
    const onEvent = (event: LinkEvent): void => {
      this.enter(event);
    };
    const { random } = this.#options;
    const ended = await endOf(attempt(url, onEvent, stop));
    const { reason, refused, upMs, retryAfterMs, spreadMs, isTurnedAway = false } = ended;
    const restMs = refused ? refusedDelay(random) : wishedDelay(retryAfterMs, random);
    const end = { at: this.#options.clock.now(), reason, refused, upMs, restMs };
    this.#addresses.note(url, end, upMs >= BACKOFF.stableMs, this.#now);
    return { ...end, url, spreadMs, isTurnedAway };
  }

  get #now(): number {
    return this.#options.clock.monotonic();
  }
}

interface AttemptEnd extends SessionEnd {
  /** The service was there and has cut the connection before TLS. */
  readonly isTurnedAway?: boolean;
}

async function endOf(attempt: Promise<SessionEnd>): Promise<AttemptEnd> {
  try {
    return await attempt;
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    const { message: reason, retryable, retryAfterMs } = error;
    const isTurnedAway = error.code === 'TURNED_AWAY';
    return { reason, refused: !retryable, retryAfterMs, upMs: 0, isTurnedAway };
  }
}

/** Says each reason of an address once as a warning or an error, then only to who wants details. */
class Teller {
  readonly #log: LoopOptions['log'];
  readonly #last = new Map<string, string>();

  constructor({ log }: LoopOptions) {
    this.#log = log;
  }

  tell(
    { url, reason, refused, upMs }: Tried,
    facts: { readonly failures?: number; readonly nextTryMs: number },
  ): void {
    const repeated = reason === this.#last.get(url);
    this.#last.set(url, upMs > 0 ? '' : reason);
    const fields = { url, reason, ...facts };
    if (refused) this.#log[repeated ? 'debug' : 'error']('link.rejected', fields);
    else if (upMs === 0) this.#log[repeated ? 'debug' : 'warn']('link.dial_failed', fields);
  }
}
