import { EVENTS, type EventName } from '../events.ts';
import type { Fields } from '../logger.ts';

/** One entry of the Windows Event Log. */
export interface EventEntry {
  readonly level: 'error' | 'warn' | 'info';
  readonly id: number;
  /** What is put into the text of the number: the name of the event, and its facts line by line. */
  readonly texts: readonly [name: string, facts: string];
}

/**
 * Lines at `info` that happen by themselves all day and call nobody: they are in the log file only.
 * Everything else is what an admin looks for, or a rule of a SIEM counts.
 */
const FILE_ONLY: ReadonlySet<EventName> = new Set<EventName>([
  'account.inspected',
  'directory.found',
  'health.listening',
  'journal.compacted',
  'keys.rotated',
]);

/** ReportEventW takes 31,839 characters for a text. */
const MAX_FACTS = 30_000;

/** The entry for a line of the log; nothing when it is for the file only. */
export function toEventEntry(
  level: string,
  event: EventName,
  facts: Fields,
): EventEntry | undefined {
  if (level !== 'error' && level !== 'warn' && level !== 'info') return undefined;
  if (level === 'info' && FILE_ONLY.has(event)) return undefined;
  const lines = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') : String(value)}`);
  return {
    level,
    id: EVENTS[event],
    texts: [event, insertable(lines.join('\r\n')).slice(0, MAX_FACTS)],
  };
}

/** The viewer takes `%1` inside a fact for a place to fill in. */
function insertable(text: string): string {
  return text.replace(/%(?=[\d%!])/g, '% ');
}
