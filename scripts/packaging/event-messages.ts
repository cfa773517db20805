import { EVENTS, type EventName } from '../../src/support/events.ts';
import { eventText } from '../lib/tables.ts';

/**
 * What the Event Viewer shows for each number of the agent: what it means, what to do, and the facts,
 * which are put in for `%1` (the name of the event) and `%2`.
 */
export function eventMessages(): ReadonlyMap<number, string> {
  const names = (Object.keys(EVENTS) as EventName[]).filter((name) => !name.startsWith('cloud.'));
  return new Map(names.map((name) => [EVENTS[name], messageOf(name)]));
}

function messageOf(name: EventName): string {
  const { meaning, action } = eventText(name);
  const text = `${meaning}\r\n\r\nWhat to do: ${action}`;
  return `${escaped(text.replaceAll('`', ''))}\r\n\r\nEvent: %1\r\n%2`;
}

/** A per cent sign of ours is none of FormatMessage's. */
function escaped(text: string): string {
  return text.replaceAll('%', '%%');
}
