import type { startSchedule } from '../../src/agent/health/schedule.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';

const MINUTE_MS = 60_000;

/** When the calendar began to run away from this machine's, and how many times as fast it goes. */
export interface Calendar {
  /** Epoch ms. */
  readonly from: number;
  readonly speed: number;
}

/** A clock whose date runs ahead; what is waited for takes its ordinary time. */
export function fastClock({ from, speed }: Calendar): Clock {
  return { ...systemClock, now: () => from + (Date.now() - from) * speed };
}

/** The agent's duties by that calendar: `node-cron` knows only this machine's. */
export function fastSchedule({ speed }: Calendar): typeof startSchedule {
  return (duties) => {
    const timers = [
      every(MINUTE_MS / speed, duties.probe),
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
