import { CLOSE_CODES, type Standing } from '../../protocol/messages.ts';
import { RpcError } from '../../protocol/rpc.ts';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import type { Said } from './hello.ts';
import { newNonce } from './nonce.ts';

const ANSWER_WITHIN_MS = 10_000;
const ASK_AGAIN_MS = 100;

/** All that a renewal needs of a session. */
export interface Renewal {
  readonly id: string;
  readonly closed: AbortSignal;
  /** Puts the question on the wire before it returns. */
  ask(nonce: string, standing: Standing, signal: AbortSignal): Promise<{ readonly hello: string }>;
  /** Takes the hello; a rejection with `RpcError` has ended the session. */
  take(said: Said): Promise<void>;
  close(code: number, reason: string): void;
}

/**
 * Asks an agent for a fresh hello over a new nonce. One that does not give it, in time and under
 * its key, loses the session: somebody else may be holding the socket. Never rejects.
 */
export async function renewOver(
  renewal: Renewal,
  standing: Standing,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<void> {
  const nonce = newNonce();
  const [answered, late] = [new AbortController(), new AbortController()];
  void clock.sleep(ANSWER_WITHIN_MS, answered.signal).then(() => {
    late.abort();
  });
  try {
    const hello = await askFor(renewal, { nonce, standing, clock }, late.signal);
    await renewal.take({ hello, nonce, known: standing.trail?.seq });
    log.debug('cloud.link_renewed', { session: renewal.id });
  } catch (error) {
    if (renewal.closed.aborted) return;
    const reason = `not renewed: ${messageOf(error)}`;
    const code = error instanceof RpcError ? error.code : undefined;
    log.warn('cloud.link_refused', { session: renewal.id, reason, code });
    // A refused hello closes with a code of its own, in the turn after this one.
    setImmediate(() => {
      renewal.close(CLOSE_CODES.protocolError, 'the session was not renewed');
    });
  } finally {
    answered.abort();
  }
}

/** An agent that has not quite taken the welcome in yet says so, and is asked again. */
async function askFor(
  renewal: Renewal,
  question: { readonly nonce: string; readonly standing: Standing; readonly clock: Clock },
  signal: AbortSignal,
): Promise<string> {
  for (;;) {
    try {
      return (await renewal.ask(question.nonce, question.standing, signal)).hello;
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== 'NOT_NOW') throw error;
    }
    await question.clock.sleep(ASK_AGAIN_MS, signal);
  }
}
