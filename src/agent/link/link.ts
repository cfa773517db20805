import { ProtocolError } from '../../protocol/rpc.ts';
import { proxyTo } from '../../support/secure-connection.ts';
import type { StopSignals } from '../../support/stop-signals.ts';
import { dial } from './dial.ts';
import { Issuers } from './issuers.ts';
import type { LinkOptions } from './link-options.ts';
import { runAttempts, type Attempt } from './loop.ts';
import { runSession } from './session.ts';
import { socketWire } from './wire.ts';

/**
 * Keeps one session with the service open until told to stop: `drain` finishes what is in flight
 * and says goodbye, `abort` drops it. Resolves when stopped; no failure of the link's ends it.
 */
export function runLink(options: LinkOptions, stop: StopSignals): Promise<void> {
  const { monitor, outbound } = options;
  const hello = oncePerSession(options.hello);
  const onWelcome: LinkOptions['onWelcome'] = async (welcome, session) => {
    await options.onWelcome(welcome, session);
    monitor.welcomed(welcome.session);
  };
  const issuers = new Issuers(options.log);
  const attempt: Attempt = async (url, onEvent, signals) => {
    monitor.dials(url, proxyTo(new URL(url), outbound)?.url);
    const { socket, chain } = await dial(url, options, signals.either).catch((error: unknown) => {
      throw issuers.explained(url, error);
    });
    issuers.verified(url, chain);
    monitor.verified(chain?.issuer);
    socket.on('pong', () => {
      monitor.heard();
    });
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
