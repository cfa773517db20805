import { startCalendar } from '../../support/calendar.ts';

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

/** Runs the duties until disposed. */
export function startSchedule(duties: Duties): Disposable {
  return startCalendar([
    { name: 'probe', when: '* * * * *', work: duties.probe },
    // By itself: after a crash there may be many, and how the controllers are must not wait for them.
    { name: 'settle-left-overs', when: '* * * * *', work: duties.settleLeftOvers },
    { name: 'report', when: '*/5 * * * *', work: duties.report },
    { name: 'self-test', when: '3-59/10 * * * *', work: duties.selfTest },
    { name: 'rotate-keys', when: '7-59/10 * * * *', work: duties.rotateKeys },
    {
      name: 'compact-large-journal',
      when: '17 * * * *',
      work: () => duties.compactJournal('hourly'),
    },
    { name: 'compact-journal', when: '37 3 * * *', work: () => duties.compactJournal('daily') },
  ]);
}
