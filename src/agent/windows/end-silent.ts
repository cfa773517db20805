import { toEventEntry } from '../../support/windows/event-entry.ts';
import type { EventSource } from '../../support/windows/event-source.ts';
import { SILENT_MS } from './silence-watchdog.ts';

/** The Event Log may be what the agent hangs over. */
const REPORT_LIMIT_MS = 2_000;

/**
 * Ends an agent whose own thread is blocked, as systemd's watchdog does: hard, because nothing of it can still
 * end itself, and without STOPPED, so that the recovery actions start it again. Its log is out of reach, so the
 * Event Log is told.
 */
export async function endSilent(
  { reportAside }: Pick<EventSource, 'reportAside'>,
  kill: () => void,
): Promise<void> {
  const stuck = [`the agent itself has given no sign of life for ${SILENT_MS / 1000} s`];
  const entry = toEventEntry('error', 'agent.stuck', { stuck });
  const limit = setTimeout(kill, REPORT_LIMIT_MS);
  if (entry !== undefined) await reportAside(entry);
  clearTimeout(limit);
  kill();
}
