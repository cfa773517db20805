import cron from 'node-cron';

/** What is due by the calendar rather than by an event. */
export interface Duties {
  /** Each minute. */
  readonly probe: () => Promise<void>;
  /** Each minute. */
  readonly settleLeftOvers: () => Promise<void>;
  /** Each five minutes. */
  readonly report: () => Promise<void>;
  /** Each ten minutes. */
  readonly selfTest: () => Promise<void>;
  /** Each ten minutes. */
  readonly rotateKeys: () => Promise<void>;
  /** Each hour; `daily` once a day. */
  readonly compactJournal: (when: 'hourly' | 'daily') => Promise<void>;
}

/** A duty that was missed or still runs comes again by itself; nothing may write past our own log. */
const SILENT = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};

/** Runs the duties until disposed; one that takes longer than its interval is not started twice. */
export function startSchedule(duties: Duties): Disposable {
  const options = { noOverlap: true, logger: SILENT };
  const tasks = [
    cron.schedule('* * * * *', duties.probe, { ...options, name: 'probe' }),
    // By itself: after a crash there may be many, and how the controllers are must not wait for them.
    cron.schedule('* * * * *', duties.settleLeftOvers, { ...options, name: 'settle-left-overs' }),
    cron.schedule('*/5 * * * *', duties.report, { ...options, name: 'report' }),
    cron.schedule('3-59/10 * * * *', duties.selfTest, { ...options, name: 'self-test' }),
    cron.schedule('7-59/10 * * * *', duties.rotateKeys, { ...options, name: 'rotate-keys' }),
    cron.schedule('17 * * * *', () => duties.compactJournal('hourly'), {
      ...options,
      name: 'compact-large-journal',
    }),
    cron.schedule('37 3 * * *', () => duties.compactJournal('daily'), {
      ...options,
      name: 'compact-journal',
    }),
  ];
  return {
    [Symbol.dispose]: () => {
      for (const task of tasks) void task.destroy();
    },
  };
}
