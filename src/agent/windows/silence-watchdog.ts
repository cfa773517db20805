import { TICK_MS, type ServiceEvent, type ServiceStatus } from './service-status.ts';

/** The time that the unit for systemd has. */
export const SILENT_MS = 30_000;

/**
 * Sees every event of a service, with the state it has led to, and calls `onSilence` once, when a service that
 * runs has given no beat for so long. It counts ticks, not time, so that a machine that was asleep does not end an
 * agent that is well; and only while it runs: what starts or stops slowly is the manager's to see.
 */
export function silenceWatchdog(
  onSilence: () => void,
): (event: ServiceEvent, state: ServiceStatus['state']) => void {
  let silentTicks = 0;
  return ({ type }, state) => {
    if (type === 'beat' || state !== 'running') silentTicks = 0;
    else if (type === 'tick') {
      silentTicks += 1;
      if (silentTicks === SILENT_MS / TICK_MS) onSilence();
    }
  };
}
