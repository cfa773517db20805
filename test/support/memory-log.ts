import type { EventName } from '../../src/support/events.ts';
import type { Fields, Logger } from '../../src/support/logger.ts';

export type Level = 'error' | 'warn' | 'info' | 'debug';

export interface LogLine {
  readonly level: Level;
  readonly event: EventName;
  readonly fields: Fields;
}

/** A logger that keeps every line; its children write to the same lines. */
export class MemoryLog implements Logger {
  readonly lines: LogLine[];
  readonly #fields: Fields;

  constructor(fields: Fields = {}, lines: LogLine[] = []) {
    this.#fields = fields;
    this.lines = lines;
  }

  error(event: EventName, fields?: Fields): void {
    this.#write('error', event, fields);
  }

  warn(event: EventName, fields?: Fields): void {
    this.#write('warn', event, fields);
  }

  info(event: EventName, fields?: Fields): void {
    this.#write('info', event, fields);
  }

  debug(event: EventName, fields?: Fields): void {
    this.#write('debug', event, fields);
  }

  child(fields: Fields): MemoryLog {
    return new MemoryLog({ ...this.#fields, ...fields }, this.lines);
  }

  /** The lines of one event. */
  of(event: EventName): readonly LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Everything that was logged, as one text: what a search for secrets searches. */
  text(): string {
    return this.lines.map((line) => JSON.stringify(line)).join('\n');
  }

  #write(level: Level, event: EventName, fields: Fields = {}): void {
    this.lines.push({ level, event, fields: { ...this.#fields, ...fields } });
  }
}
