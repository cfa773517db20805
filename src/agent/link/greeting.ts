import type { FromService, Params, Welcome } from '../../protocol/messages.ts';
import { commonProtocol, PROTOCOLS, protocolsInWords } from '../../protocol/protocol-range.ts';
import { ProtocolError } from '../../protocol/rpc.ts';
import type { Clock } from '../../support/clock.ts';
import { unlessAborted, within } from './time-limit.ts';

const CHALLENGE_WITHIN_MS = 5_000;
const WELCOME_WITHIN_MS = 10_000;

export type Challenge = Params<FromService, 'session.challenge'>;

export interface Greeting {
  readonly clock: Clock;
  /** Resolves when the service has sent its challenge. */
  readonly challenged: Promise<Challenge>;
  readonly hello: (challenge: Challenge) => Promise<string>;
  /** Sends the hello and gives the service's answer. */
  readonly send: (hello: string, signal: AbortSignal) => Promise<Welcome>;
}

/**
 * Waits for the challenge, answers it, and gives the welcome. Rejects with `ProtocolError` when the
 * service is silent or answers for another session, and with whatever `hello` or `send` reject with.
 */
export async function greet(
  { clock, challenged, hello, send }: Greeting,
  signal: AbortSignal,
): Promise<Welcome> {
  const challenge = await within(CHALLENGE_WITHIN_MS, clock, signal, (limit) =>
    unlessAborted(challenged, limit),
  );
  if (challenge === undefined) throw new ProtocolError('no challenge within 5 s');
  const statement = await hello(challenge);
  const welcome = await within(WELCOME_WITHIN_MS, clock, signal, (limit) => send(statement, limit));
  if (welcome.session !== challenge.session) {
    throw new ProtocolError('the welcome is for another session than the challenge');
  }
  const { protocol } = welcome;
  if (commonProtocol({ min: protocol, max: protocol }) !== undefined) return welcome;
  throw new ProtocolError(
    `the service wants protocol ${protocol}, this agent speaks ${protocolsInWords(PROTOCOLS)}`,
  );
}
