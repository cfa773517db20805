import { z } from 'zod';

/** One password that a controller has written. */
export interface AuditedWrite {
  /** In lower case. */
  readonly dn: string;
  /** Who wrote it. The administrator's ends in -500 in every domain (MS-DTYP 2.4.2.4). */
  readonly bySid: string;
  /** By the controller's clock, epoch milliseconds. */
  readonly at: number;
  /** The line about its commit; or, where a kill came before that line, the database itself. */
  readonly provenBy: 'log' | 'database';
}

/** What one controller's audit log has to say since the last reset of the lab. */
export interface PasswordAudit {
  /** Each password that was written, in order. */
  readonly writes: readonly AuditedWrite[];
  /** Those of which the log has the beginning and nobody knows the end. */
  readonly unended: readonly Omit<AuditedWrite, 'provenBy'>[];
  /** Pieces that should be events and cannot be read, whatever they would have said. */
  readonly unreadable: readonly string[];
}

const Event = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['labReset', 'labStart']) }),
  z.object({
    type: z.literal('labSettled'),
    labSettled: z.object({ transactionId: z.string(), written: z.boolean() }),
  }),
  z.object({
    type: z.literal('passwordChange'),
    timestamp: z.string(),
    passwordChange: z.object({
      statusCode: z.int(),
      userSid: z.string(),
      dn: z.string(),
      transactionId: z.string(),
    }),
  }),
  z.object({
    type: z.literal('dsdbTransaction'),
    dsdbTransaction: z.object({
      action: z.string(),
      transactionId: z.string(),
      /** Of a commit that failed. */
      statusCode: z.int().optional(),
    }),
  }),
]);

type Event = z.infer<typeof Event>;
type End = 'log' | 'database' | 'undone';

/** Reads a whole log. What cannot be read is in the answer too: its silence proves nothing. */
export function readAuditLog(text: string): PasswordAudit {
  const { events, unreadable } = eventsIn(text);
  const ends = new Map(events.map(endOf).filter((end) => end !== undefined));
  const writes: AuditedWrite[] = [];
  const unended: Omit<AuditedWrite, 'provenBy'>[] = [];
  for (const event of events.slice(events.findLastIndex(({ type }) => type === 'labReset') + 1)) {
    if (event.type !== 'passwordChange' || event.passwordChange.statusCode !== 0) continue;
    const { dn, userSid: bySid, transactionId } = event.passwordChange;
    const write = { dn: dn.toLowerCase(), bySid, at: Date.parse(event.timestamp) };
    const end = ends.get(transactionId);
    if (end === undefined) unended.push(write);
    else if (end !== 'undone') writes.push({ ...write, provenBy: end });
  }
  return { writes, unended, unreadable };
}

/** Which transaction this event ends, and how. */
function endOf(event: Event): readonly [transactionId: string, end: End] | undefined {
  if (event.type === 'labSettled') {
    const { transactionId, written } = event.labSettled;
    return [transactionId, written ? 'database' : 'undone'];
  }
  if (event.type !== 'dsdbTransaction') return undefined;
  const { action, transactionId, statusCode } = event.dsdbTransaction;
  return [transactionId, action === 'commit' && statusCode === undefined ? 'log' : 'undone'];
}

const BEGINNING = /\{"(?:timestamp|type)": ?"/g;

/**
 * Every event of a log in which one may stand behind another on a line, or within another that was
 * cut in two: a process writes a line and its end in two steps, and a kill comes between any two.
 */
function eventsIn(text: string): { readonly events: Event[]; readonly unreadable: string[] } {
  const events: Event[] = [];
  const unreadable: string[] = [];
  const pass = (piece: string): void => {
    if (piece.trim() !== '') unreadable.push(piece.trim());
  };
  let read = 0;
  for (const { index } of text.matchAll(BEGINNING)) {
    if (index < read) continue;
    const end = objectEnd(text, index);
    const event = end === undefined ? undefined : toEvent(text.slice(index, end));
    if (end === undefined || event === undefined) continue;
    pass(text.slice(read, index));
    events.push(event);
    read = end;
  }
  pass(text.slice(read));
  return { events, unreadable };
}

function toEvent(json: string): Event | undefined {
  try {
    return Event.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

/** Where the object that begins here ends; undefined when its line ends before it does. */
function objectEnd(text: string, begin: number): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = begin; at < text.length && text[at] !== '\n'; at++) {
    const character = text[at];
    if (quoted && character === '\\') at++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === '{') depth++;
    else if (!quoted && character === '}' && --depth === 0) return at + 1;
  }
  return undefined;
}
