import type { EventName } from './events.ts';

/**
 * The verbs both programs log with; winston implements them, tests collect them. error: a human
 * must act; warn: the program copes; info: one line per command and connection change.
 */
export interface Logger {
  error(event: EventName, fields?: Fields): void;
  warn(event: EventName, fields?: Fields): void;
  info(event: EventName, fields?: Fields): void;
  debug(event: EventName, fields?: Fields): void;
  /** A logger that puts these fields on every line. */
  child(fields: Fields): Logger;
}

/** Facts of a line: plain values only, so that no object with a secret inside slips in. */
export type Fields = Readonly<Record<string, FieldValue | undefined>>;

type FieldValue = string | number | boolean | readonly string[];
