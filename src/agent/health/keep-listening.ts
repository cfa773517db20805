import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';

/** Rarely: nobody waits for it, and whoever has the place may keep it. */
const RETRY_MS = 60_000;

export interface Listening {
  /** Shown to whoever looks for it. */
  readonly at: string;
  readonly server: () => Server;
  /** Resolves once the server listens. */
  readonly listen: (server: Server) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Listens until `signal` aborts, and tries again where it cannot. Never rejects: nothing depends on it. */
export async function keepListening(
  { at, server: make, listen, clock, log }: Listening,
  signal: AbortSignal,
): Promise<void> {
  let told = '';
  while (!signal.aborted) {
    const server = make();
    try {
      await listen(server);
      log.info('health.listening', { at });
      told = '';
      await ended(server, signal);
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== told) log.warn('health.not_listening', { at, reason });
      told = reason;
    }
    await close(server);
    await clock.sleep(RETRY_MS, signal);
  }
}

async function ended(server: Server, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const over = once(signal, 'abort');
  // A server that listens fails rarely: a closed descriptor, no memory.
  await Promise.race([
    over,
    once(server, 'error').then(([error]) => Promise.reject(error as Error)),
  ]);
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
