import cron from 'node-cron';

/** What is due by the calendar of this machine rather than by an event. */
export interface Due {
  readonly name: string;
  /** Minute, hour, day, month and weekday, as cron has them. */
  readonly when: string;
  /** Must not reject. */
  readonly work: () => void | Promise<void>;
}

/** What was missed or still runs comes again by itself; nothing may write past our own log. */
const SILENT = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};

/** Does what is due until disposed; what takes longer than its interval is not started twice. */
export function startCalendar(dues: readonly Due[]): Disposable {
  const tasks = dues.map(({ name, when, work }) =>
    cron.schedule(when, () => work(), { name, noOverlap: true, logger: SILENT }),
  );
  return {
    [Symbol.dispose]: () => {
      for (const task of tasks) void task.destroy();
    },
  };
}
