import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import type { EventEntry } from '../../../../src/support/windows/event-entry.ts';
import { eventLogStream } from '../../../../src/support/windows/event-log-stream.ts';
import { winstonLogger } from '../../../../src/support/winston-logger.ts';

test('lines go to the log and, of these, what admins look for to the Event Log', async () => {
  const entries: EventEntry[] = [];
  const report = (entry: EventEntry): boolean => entries.push(entry) > 0;
  const stream = new PassThrough();
  const log = winstonLogger({ level: 'debug', stream, also: eventLogStream({ report }) });
  log.child({ dc: 'dc1' }).error('directory.down', { problem: 'two\nlines' });
  log.info('account.inspected');
  log.debug('link.up');
  await log.close();

  expect(entries).toEqual([
    { level: 'error', id: 30301, texts: ['directory.down', 'dc: dc1\r\nproblem: two lines'] },
  ]);
  stream.end();
  expect((stream.read() as Buffer).toString().trim().split('\n')).toHaveLength(3);
});
