import { PING_EVERY_MS, PONG_WITHIN_MS } from '../../protocol/messages.ts';
import type { Clock } from '../../support/clock.ts';
import { unlessAborted, within } from './time-limit.ts';

/** All that a heartbeat needs of a socket. */
export interface Pulse {
  ping(): void;
  /** Resolves with the next pong. */
  pong(): Promise<void>;
}

/**
 * Pings until `signal` aborts or a pong is missing; `lost` means that the other side, or the way
 * there, is gone although the socket may look open.
 */
export async function runHeartbeat(
  pulse: Pulse,
  clock: Clock,
  signal: AbortSignal,
): Promise<'stopped' | 'lost'> {
  let answered = true;
  while (answered) {
    await clock.sleep(PING_EVERY_MS, signal);
    if (signal.aborted) break;
    answered = await within(PONG_WITHIN_MS, clock, signal, async (limit) => {
      const pong = pulse.pong().then(() => true);
      pulse.ping();
      return (await unlessAborted(pong, limit)) ?? false;
    });
  }
  return signal.aborted ? 'stopped' : 'lost';
}
