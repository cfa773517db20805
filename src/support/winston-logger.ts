import { once } from 'node:events';
import type { Writable } from 'node:stream';
import {
  createLogger,
  format,
  transports,
  type Logger as Winston,
  type LoggerOptions,
} from 'winston';
import { EVENTS, type EventName } from './events.ts';
import type { Fields, Logger } from './logger.ts';

const MAX_STRING = 2_000;
const MAX_ITEMS = 64;
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface LogOptions {
  readonly level: LogLevel;
  /** Absent: standard output. */
  readonly file?: string;
  /** For people instead of programs; default is whether standard output is a terminal. */
  readonly readable?: boolean;
  /** Where lines go instead of standard output. */
  readonly stream?: NodeJS.WritableStream;
  /** Gets every line besides, as a `LogInfo`. */
  readonly also?: Writable;
  /** Starts a new file when this one is full, and keeps a few; without it the file grows. */
  readonly rotate?: { readonly bytes: number; readonly files: number };
}

/** A line before it is put into words. */
export interface LogInfo {
  readonly level: LogLevel;
  readonly event: EventName;
  /** Taken by the allow-list of types, cleaned. */
  readonly facts: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

export interface ClosableLogger extends Logger {
  /** Resolves when every line is written. Idempotent. */
  close(): Promise<void>;
}

/**
 * The `Logger` on winston: one line per event with time, level, name and number. Values are taken
 * by an allow-list of types and stripped of control characters, so a field can neither smuggle an
 * object in nor forge a line.
 */
export function winstonLogger(options: LogOptions): ClosableLogger {
  const readable =
    options.readable ??
    (options.file === undefined && options.stream === undefined && process.stdout.isTTY);
  const winston = createLogger({
    level: options.level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: format.printf((info) => String(info.message)),
    transports: transportsOf(options),
  });
  // A full disk must not stop the agent; the service manager's own log still hears of it.
  winston.on('error', (error: Error) => process.stderr.write(`log: ${error.message}\n`));
  let closing: Promise<void> | undefined;
  return {
    ...bound(winston, readable ? readableLine : jsonLine, {}),
    close: () => (closing ??= end(winston)),
  };
}

/* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types declare its transports as constructors of something else */
function transportsOf(options: LogOptions): NonNullable<LoggerOptions['transports']> {
  const { file, stream, also, rotate } = options;
  const main =
    file === undefined
      ? new transports.Stream({ stream: stream ?? process.stdout })
      : new transports.File({
          filename: file,
          options: { flags: 'a', mode: 0o640 },
          ...(rotate !== undefined && {
            maxsize: rotate.bytes,
            maxFiles: rotate.files,
            tailable: true,
          }),
        });
  return also === undefined ? [main] : [main, new transports.Stream({ stream: also })];
}
/* eslint-enable @typescript-eslint/no-unsafe-class-instance-assignment */

type Line = (info: LogInfo) => string;

function bound(winston: Winston, line: Line, context: Fields): Logger {
  const write =
    (level: LogLevel) =>
    (event: EventName, fields: Fields = {}): void => {
      if (winston.isLevelEnabled(level)) {
        const info: LogInfo = { level, event, facts: allowed({ ...context, ...fields }) };
        winston.log({ ...info, message: line(info) });
      }
    };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: (fields) => bound(winston, line, { ...context, ...fields }),
  };
}

async function end(winston: Winston): Promise<void> {
  const finished = once(winston, 'finish');
  winston.end();
  await finished;
}

const jsonLine: Line = ({ level, event, facts }) =>
  JSON.stringify({
    time: new Date().toISOString(),
    level,
    event,
    eventId: EVENTS[event],
    ...facts,
  });

const readableLine: Line = ({ level, event, facts }) => {
  const words = Object.entries(facts).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : String(value)}`,
  );
  const time = new Date().toISOString().slice(11, 23);
  return [time, level.padEnd(5), event, ...words].join(' ');
};

function quoted(text: string): string {
  return /^[\w.:@/+-]+$/.test(text) ? text : JSON.stringify(text);
}

const RESERVED = new Set(['time', 'level', 'event', 'eventId']);

/** What may stand in a line, by type: an object with a secret inside would not even be looked into. */
function allowed(fields: Fields): Record<string, string | number | boolean | string[]> {
  const taken: Record<string, string | number | boolean | string[]> = {};
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    if (RESERVED.has(name)) continue;
    if (typeof value === 'string') taken[name] = clean(value);
    else if (typeof value === 'boolean') taken[name] = value;
    else if (typeof value === 'number')
      taken[name] = Number.isFinite(value) ? value : String(value);
    else if (Array.isArray(value)) {
      taken[name] = value
        .filter((item): item is string => typeof item === 'string')
        .slice(0, MAX_ITEMS)
        .map(clean);
    }
  }
  return taken;
}

function clean(text: string): string {
  const line = text.replace(CONTROL_CHARACTERS, ' ');
  return line.length > MAX_STRING ? `${line.slice(0, MAX_STRING)}…` : line;
}
