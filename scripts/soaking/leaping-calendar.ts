import type { startSchedule } from '../../src/agent/health/schedule.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';

const MINUTE_MS = 60_000;

/**
 * A clock whose date leaps ahead when it is told to, and goes with this machine's in between: a
 * controller's own clock tells how long ago it wrote something, so neither may run faster.
 */
export class LeapingClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal);
  }

  /** From now on the date is ahead of this machine's by so much; dates are whole milliseconds. */
  leapTo(aheadMs: number): void {
    this.#aheadMs = Math.round(aheadMs);
  }
}

/** The agent's duties by a calendar that is so many times as fast: `node-cron` knows only this machine's. */
export function fastSchedule(speed: number): typeof startSchedule {
  return (duties) => {
    const timers = [
      every(MINUTE_MS / speed, duties.probe),
      every(MINUTE_MS / speed, duties.settleLeftOvers),
      every((5 * MINUTE_MS) / speed, duties.report),
      every((10 * MINUTE_MS) / speed, duties.selfTest),
      every((10 * MINUTE_MS) / speed, duties.rotateKeys),
      every((60 * MINUTE_MS) / speed, () => duties.compactJournal('hourly')),
      every((12 * 60 * MINUTE_MS) / speed, () => duties.compactJournal('daily')),
    ];
    return {
      [Symbol.dispose]: () => {
        for (const timer of timers) clearInterval(timer);
      },
    };
  };
}

/** One that takes longer than its interval is not started twice, as by `node-cron`. */
function every(ms: number, duty: () => Promise<void>): NodeJS.Timeout {
  let running = false;
  return setInterval(() => {
    if (running) return;
    running = true;
    void duty().finally(() => {
      running = false;
    });
  }, ms);
}
