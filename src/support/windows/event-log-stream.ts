import { Writable } from 'node:stream';
import type { LogInfo } from '../winston-logger.ts';
import { toEventEntry } from './event-entry.ts';
import type { EventSource } from './event-source.ts';

/** What winston writes for the Event Log of Windows: of all lines, those that admins look for. */
export function eventLogStream({ report }: Pick<EventSource, 'report'>): Writable {
  return new Writable({
    objectMode: true,
    write: ({ level, event, facts }: LogInfo, _encoding, next) => {
      const entry = toEventEntry(level, event, facts);
      // An Event Log that is full or switched off must not stop the agent.
      if (entry !== undefined) report(entry);
      next();
    },
  });
}
