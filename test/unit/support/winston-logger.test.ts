import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { Fields } from '../../../src/support/logger.ts';
import { Secret } from '../../../src/support/secret.ts';
import {
  winstonLogger,
  type ClosableLogger,
  type LogOptions,
} from '../../../src/support/winston-logger.ts';

async function written(
  write: (log: ClosableLogger) => void,
  options: Partial<LogOptions> = {},
): Promise<string> {
  const stream = new PassThrough();
  const log = winstonLogger({ level: 'debug', stream, ...options });
  write(log);
  await log.close();
  stream.end();
  return text(stream);
}

async function line(fields: Fields): Promise<Record<string, unknown>> {
  const output = await written((log) => {
    log.info('link.up', fields);
  });
  expect(output.match(/\n/g)).toHaveLength(1);
  return JSON.parse(output) as Record<string, unknown>;
}

test('a line is JSON with time, level, event, its number, and the facts', async () => {
  expect(await line({ session: 'abc', approved: true, upMs: 12, reasons: ['a', 'b'] })).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    level: 'info',
    event: 'link.up',
    eventId: 30100,
    session: 'abc',
    approved: true,
    upMs: 12,
    reasons: ['a', 'b'],
  });
});

test('what is no plain value is left out, so that no object brings a secret along', async () => {
  const smuggled = {
    secret: new Secret('planted'),
    object: { password: 'planted' },
    error: new Error('planted'),
    list: [{ password: 'planted' }, 'kept'],
    bytes: Buffer.from('planted'),
    nothing: undefined,
  } as unknown as Fields;
  const written = await line(smuggled);
  expect(written).toMatchObject({ list: ['kept'] });
  expect(JSON.stringify(written)).not.toContain('planted');
  expect(Object.keys(written)).toEqual(['time', 'level', 'event', 'eventId', 'list']);
});

test('a field cannot forge a line, an event or a terminal command', async () => {
  const fields = await line({
    reason: 'a\r\n{"event":"x"}\u001b[2J\u2028b',
    event: 'forged',
    level: 'forged',
  });
  expect(fields).toMatchObject({ event: 'link.up', level: 'info' });
  expect(fields.reason).toBe('a {"event":"x"} [2J b');
});

test('a long text is cut', async () => {
  const { reason } = await line({ reason: 'x'.repeat(10_000) });
  expect(String(reason).length).toBeLessThan(2_100);
});

test('numbers that JSON has no word for are told as text', async () => {
  expect(await line({ upMs: Infinity, at: NaN })).toMatchObject({ upMs: 'Infinity', at: 'NaN' });
});

test('lines below the level are not written', async () => {
  const output = await written(
    (log) => {
      log.info('link.up');
      log.debug('link.up');
      log.warn('link.down');
    },
    { level: 'warn' },
  );
  expect(output.trim().split('\n')).toHaveLength(1);
});

test('a child puts its fields on every line, and a line can correct them', async () => {
  const output = await written((log) => {
    const child = log.child({ dc: 'dc1' }).child({ session: 's' });
    child.warn('link.down');
    child.error('link.down', { dc: 'dc2' });
  });
  const lines = output
    .trim()
    .split('\n')
    .map((json) => JSON.parse(json) as unknown);
  expect(lines).toMatchObject([
    { level: 'warn', dc: 'dc1', session: 's' },
    { level: 'error', dc: 'dc2', session: 's' },
  ]);
});

test('people read one line without braces', async () => {
  const output = await written(
    (log) => {
      log.info('link.up', { session: 'abc', reason: 'two words' });
    },
    { readable: true },
  );
  expect(output).toMatch(/^\S+ info {2}link\.up session=abc reason="two words"\n$/);
});

test('closing waits for every line, and may be asked twice', async () => {
  const output = await written((log) => {
    for (let i = 0; i < 1_000; i++) log.info('link.up', { i });
    void log.close();
  });
  expect(output.trim().split('\n')).toHaveLength(1_000);
});
