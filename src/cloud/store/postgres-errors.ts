import { connectFailure } from '../../support/connect-failure.ts';
import { StoreError } from './store.ts';

/** SQLSTATE (PostgreSQL, appendix A) in words, with the cure. */
const BY_STATE: Readonly<Partial<Record<string, string>>> = {
  '28P01': 'PostgreSQL does not take the password; put the right one into database.urlFile',
  '28000': 'PostgreSQL does not let this user in from here; look at its pg_hba.conf',
  '3D000': 'there is no such database; make it (createdb), or correct database.urlFile',
  '42501': 'the database user may not do this; make it the owner of the database',
  '53100': 'the disk of the database server is full; make room, the service then goes on by itself',
  '53200': 'the database server is out of memory',
  '53300':
    'PostgreSQL has no connection left; raise its max_connections, or lower database.poolSize',
  '25006': 'the database is read-only, as a standby is; point database.urlFile to the primary',
  '25P03': 'a transaction was left open for too long and was ended',
  '55P03': 'another transaction holds what is needed; try again',
  '57014': 'PostgreSQL did not do it in time; look at its load',
  '57P01': 'PostgreSQL is being stopped',
  '57P02': 'PostgreSQL has crashed and is starting again',
  '57P03': 'PostgreSQL is starting, or stopping',
  '57P05': 'PostgreSQL has ended an idle connection',
  '40001': 'transactions kept getting in the way of each other; try again',
  '40P01': 'transactions kept getting in the way of each other; try again',
  '0A000': 'PostgreSQL does not know what was asked; version 13 or newer is needed',
  '58030': 'the database server cannot read or write its disk',
  XX001: 'the database is damaged; restore it from a backup',
  XX002: 'the database is damaged; restore it from a backup',
};

/** Transactions that were in each other's way: run again, they find the way free. */
const IN_THE_WAY = new Set(['40001', '40P01']);

/** The errors of `pg` itself have no codes. */
const BY_TEXT: readonly (readonly [RegExp, string])[] = [
  [
    /^timeout exceeded when trying to connect/,
    'all connections are in use; raise database.poolSize if this goes on',
  ],
  [/timeout|timed out/i, 'PostgreSQL does not answer in time; look at its load and the network'],
  [/does not support SSL/, 'PostgreSQL does not speak TLS; turn ssl on in its postgresql.conf'],
  [/establishing an SSL/, 'PostgreSQL does not speak TLS; turn ssl on in its postgresql.conf'],
  [
    /^SASL|password must be/,
    'PostgreSQL wants a password that is not there, or another kind; look at database.urlFile',
  ],
  [/terminated|not queryable|closed/i, 'the connection to PostgreSQL was cut'],
];

/** What the driver threw as a `StoreError` in words. The driver's own message may quote what was to be written: it is not passed on. */
export function storeErrorOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  return new StoreError(`store: ${whyOf(error)}`, { cause: error });
}

/** Whether the same transaction may well go through when it is run again at once. */
export function isInTheWay(error: unknown): boolean {
  return error instanceof StoreError && IN_THE_WAY.has(stateOf(error.cause) ?? '');
}

/** Whether the connection is still of use after this: the server itself has answered, and goes on. */
export function isAnswer(error: unknown): boolean {
  const state = stateOf(error);
  return state !== undefined && !/^(?:08|57P|58|XX)/.test(state);
}

function whyOf(error: unknown): string {
  const state = stateOf(error);
  if (state !== undefined) return BY_STATE[state] ?? `PostgreSQL did not do it (${state})`;
  const text = error instanceof Error ? error.message : '';
  const known = BY_TEXT.find(([pattern]) => pattern.test(text))?.[1];
  if (known !== undefined) return known;
  return `PostgreSQL cannot be reached: ${connectFailure(error).reason}; see that it runs, and look at database.urlFile`;
}

/** Five characters, upper case and digits; codes of the operating system look otherwise. */
function stateOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code) ? code : undefined;
}
