import type { News, ServiceManager } from '../../support/service-manager.ts';

/** With a beat each 5 s the time that the unit for systemd has: what passes by then is no hang. */
const SILENT_BEATS = 6;

/**
 * Does for a service manager that watches nobody what systemd's watchdog does: hands on all news to
 * `tell`, and calls `onHang` once, with the status, when beat after beat has said that nothing gets
 * on. It counts beats, not time, so that a machine that was asleep does not end an agent that is well.
 */
export function ownWatchdog(
  tell: (news: News) => void,
  onHang: (status: string) => void,
): ServiceManager {
  let silent = 0;
  let isStopping = false;
  return {
    watchdogMs: undefined,
    tell: (news) => {
      tell(news);
      isStopping ||= news.phase === 'stopping';
      silent = news.alive === true ? 0 : silent + 1;
      // Told to stop, it is ended by the time for a drain.
      if (silent === SILENT_BEATS && !isStopping) onHang(news.status ?? 'stuck');
    },
  };
}
