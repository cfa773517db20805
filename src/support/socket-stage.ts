import type { Socket } from 'node:net';
import { ConnectError, type ConnectFailure } from './connect-failure.ts';
import { withDeadline } from './with-deadline.ts';

/** How long each step of a connection may take: reaching a host, TLS, a proxy's answer. */
export interface Patience {
  readonly stageMs: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the socket has come this far. Rejects with `ConnectError` or Node's coded error when
 * it does not in time or the signal aborts; the socket is destroyed then.
 */
export async function opened(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  patience: Patience,
): Promise<void> {
  // Stays for the socket's whole life: an 'error' nobody listens to would end the process.
  socket.on('error', () => undefined);
  try {
    await inTime(patience, (resolve, reject) => {
      socket.once(event, resolve);
      socket.once('error', reject);
      socket.once('close', () => {
        reject(new ConnectError(CLOSED));
      });
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

type Work<T> = (resolve: (value: T) => void, reject: (error: Error) => void) => void;

/** What `work` settles with. Rejects with `ConnectError` when that takes too long or the signal aborts. */
export function inTime<T>(
  { stageMs, signal }: Patience,
  work: Work<T>,
  onTime = SILENT,
): Promise<T> {
  return withDeadline(
    stageMs,
    signal,
    (limit) =>
      new Promise<T>((resolve, reject) => {
        const stop = (): void => {
          reject(signal.aborted ? new ConnectError(STOPPED) : onTime());
        };
        if (limit.aborted) stop();
        limit.addEventListener('abort', stop, { once: true });
        work(resolve, reject);
      }),
  );
}

const STOPPED: ConnectFailure = { kind: 'other', reason: 'stopped' };

const CLOSED: ConnectFailure = {
  kind: 'reset',
  reason: 'the connection was closed before it was ready',
};

const SILENT = (): ConnectError =>
  new ConnectError({
    kind: 'timeout',
    reason: 'no answer in time (a firewall may drop the packets)',
  });
