import { ProtocolError } from '../../protocol/rpc.ts';
import type { StopSignals } from '../../support/stop-signals.ts';
import { BACKOFF, backoffDelay, refusedDelay } from './backoff.ts';
import { dial } from './dial.ts';
import { LinkError } from './link-error.ts';
import type { LinkOptions } from './link-options.ts';
import type { LinkMonitor } from './link-report.ts';
import { next, type LinkEvent, type LinkState } from './link-state.ts';
import { runSession, type SessionEnd } from './session.ts';
import { socketWire } from './wire.ts';

/** One try to have a session, from dialling to its end; rejects with `LinkError` when none began. */
export type Attempt = (
  onEvent: (event: LinkEvent) => void,
  stop: StopSignals & { readonly either: AbortSignal },
) => Promise<SessionEnd>;

/**
 * Keeps one session with the service open until told to stop: `drain` finishes what is in flight
 * and says goodbye, `abort` drops it. Resolves when stopped; no failure of the link's ends it.
 */
export function runLink(options: LinkOptions, stop: StopSignals): Promise<void> {
  const { monitor, url } = options;
  const hello = oncePerSession(options.hello);
  const onWelcome: LinkOptions['onWelcome'] = async (welcome, session) => {
    await options.onWelcome(welcome, session);
    monitor.welcomed(welcome.session);
  };
  const attempt: Attempt = async (onEvent, signals) => {
    monitor.dials(url, undefined);
    const socket = await dial(options, signals.either);
    onEvent('open');
    return runSession(socketWire(socket), { ...options, hello, onWelcome, onEvent }, signals);
  };
  return runAttempts(attempt, options, stop);
}

/** Far more sessions than backoff lets begin within the life of a command. */
const SESSIONS_REMEMBERED = 1_024;

/** Whoever holds the socket names the session: the name of an earlier one would revive its commands. */
function oncePerSession(hello: LinkOptions['hello']): LinkOptions['hello'] {
  const used = new Set<string>();
  return async (challenge) => {
    if (used.has(challenge.session)) throw new ProtocolError('the challenge repeats a session');
    used.add(challenge.session);
    const [oldest] = used;
    if (used.size > SESSIONS_REMEMBERED && oldest !== undefined) used.delete(oldest);
    return hello(challenge);
  };
}

export type LoopOptions = Pick<LinkOptions, 'url' | 'clock' | 'log' | 'random'> & {
  readonly monitor: LinkMonitor;
};

/** The loop of `runLink` over any kind of attempt. */
export async function runAttempts(
  attempt: Attempt,
  options: LoopOptions,
  { drain, abort }: StopSignals,
): Promise<void> {
  const either = AbortSignal.any([drain, abort]);
  const { monitor, url } = options;
  const teller = new Teller(options);
  let state: LinkState = 'idle';
  const onEvent = (event: LinkEvent): void => {
    const reached = next(state, event);
    if (reached === undefined) return;
    state = reached;
    monitor.enters(state);
  };
  let failures = 0;
  onEvent('dial');
  while (!either.aborted) {
    const end = await endOf(attempt(onEvent, { drain, abort, either }));
    if (isAborted(either)) break;
    monitor.failed({ url, reason: end.reason, refused: end.refused });
    // A service that accepts and then drops us is as overloaded as one that refuses us.
    failures = end.upMs >= BACKOFF.stableMs ? 0 : failures + 1;
    const delayMs = delayAfter(end, failures, options.random);
    monitor.waits(delayMs);
    onEvent(end.refused ? 'refuse' : 'lost');
    teller.tell(end, failures, delayMs);
    await options.clock.sleep(delayMs, either);
    monitor.waits();
    onEvent('retry');
  }
  onEvent('close');
}

// A function, so that the compiler does not take the answer before a wait for the one after it.
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function endOf(attempt: Promise<SessionEnd>): Promise<SessionEnd> {
  try {
    return await attempt;
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    const { message: reason, retryable, retryAfterMs } = error;
    return { reason, refused: !retryable, retryAfterMs, upMs: 0 };
  }
}

function delayAfter(end: SessionEnd, failures: number, random: () => number): number {
  return end.refused
    ? refusedDelay(random)
    : backoffDelay(failures, BACKOFF, random, end.retryAfterMs);
}

/** Says each reason once as a warning or an error, then only to who wants details. */
class Teller {
  readonly #log: LoopOptions['log'];
  #last = '';

  constructor({ log }: LoopOptions) {
    this.#log = log;
  }

  tell({ reason, refused, upMs }: SessionEnd, failures: number, nextTryMs: number): void {
    const repeated = reason === this.#last;
    this.#last = upMs > 0 ? '' : reason;
    const fields = { reason, failures, nextTryMs };
    if (refused) this.#log[repeated ? 'debug' : 'error']('link.rejected', fields);
    else if (upMs === 0) this.#log[repeated ? 'debug' : 'warn']('link.dial_failed', fields);
  }
}
