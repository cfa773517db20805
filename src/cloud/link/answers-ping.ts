import type { WebSocket } from 'ws';
import type { Clock } from '../../support/clock.ts';
import { onAbort } from '../../support/on-abort.ts';

export interface PingLimit {
  readonly withinMs: number;
  /** Aborts when the socket is gone. */
  readonly closed: AbortSignal;
  readonly clock: Clock;
}

/** Whether the other end answers a ping in time. Never rejects. */
export async function answersPing(
  socket: WebSocket,
  { withinMs, closed, clock }: PingLimit,
): Promise<boolean> {
  if (closed.aborted) return false;
  const decided = new AbortController();
  let alive = false;
  const onPong = (): void => {
    alive = true;
    decided.abort();
  };
  const off = onAbort(closed, () => {
    decided.abort();
  });
  socket.once('pong', onPong);
  socket.ping();
  await clock.sleep(withinMs, decided.signal);
  socket.off('pong', onPong);
  off();
  return alive;
}
