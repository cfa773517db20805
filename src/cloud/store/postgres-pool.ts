import type { PostgresPool as KyselyPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { Pool, TypeOverrides, types, type PoolClient, type PoolConfig } from 'pg';
import { isAnswer, storeErrorOf } from './postgres-errors.ts';
import type { PostgresPlace } from './postgres-place.ts';

export interface Timeouts {
  /** The server gives a statement up after this. */
  readonly statementMs: number;
  /** And so a wait for a lock. */
  readonly lockMs: number;
}

export const TIMEOUTS: Timeouts = { statementMs: 10_000, lockMs: 8_000 };

const CONNECT_WITHIN_MS = 5_000;
const IDLE_MS = 30_000;

/** A server that has gone silent says nothing of its own time limit. */
const SILENT_MS = 5_000;

/** The program has some dozens of statements; lists of several lengths are not worth keeping. */
const MAX_NAMED = 256;

/** Connections to a database, to be closed with `end`. Every rejection is a `StoreError`. */
export function postgresPool(place: PostgresPlace, timeouts = TIMEOUTS): KyselyPool {
  const pool = new Pool({ ...connectionOf(place, timeouts), max: place.poolSize });
  // Whoever uses a connection that goes hears of it from the query; an idle one is just replaced.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  const names = new Map<string, string>();
  return {
    connect: async () => {
      try {
        return guarded(await pool.connect(), names);
      } catch (error) {
        throw storeErrorOf(error);
      }
    },
    end: () => pool.end(),
  };
}

/** How one connection is made; nothing of it is left to the environment's PG… variables. */
export function connectionOf(
  place: PostgresPlace,
  { statementMs, lockMs }: Timeouts,
  name = 'passback-cloud',
): PoolConfig {
  const { host, port, user, password, database, tls } = place;
  return {
    host,
    port,
    user,
    database,
    password: () => password.reveal(),
    ssl: tls === undefined ? false : { ...tls, minVersion: 'TLSv1.2' },
    enableChannelBinding: tls !== undefined,
    application_name: name,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: statementMs,
    lock_timeout: lockMs,
    query_timeout: statementMs + SILENT_MS,
    idle_in_transaction_session_timeout: statementMs + SILENT_MS,
    types: TYPES,
  };
}

/** Moments and counts are whole numbers far below 2^53; the driver would give them as text. */
const TYPES = new TypeOverrides();
TYPES.setTypeParser(types.builtins.INT8, Number);

function guarded(client: PoolClient, names: Map<string, string>): PostgresPoolClient {
  let isUsable = true;
  return {
    query: (async (
      text: string,
      values: readonly unknown[],
    ): Promise<PostgresQueryResult<unknown>> => {
      try {
        const query = { text, values: [...values], ...nameOf(text, names) };
        const { command, rowCount, rows } = await client.query<object>(query);
        return {
          command: command as PostgresQueryResult<unknown>['command'],
          rowCount: rowCount ?? 0,
          rows,
        };
      } catch (error) {
        isUsable &&= isAnswer(error);
        throw storeErrorOf(error);
      }
    }) as PostgresPoolClient['query'],
    release: () => {
      client.release(!isUsable);
    },
  };
}

/**
 * A statement with a name is parsed once for each connection. Not one that says `*`: what that gives
 * changes when another node migrates the schema, and PostgreSQL then refuses the prepared one.
 */
function nameOf(text: string, names: Map<string, string>): { readonly name?: string } {
  const known = names.get(text);
  if (known !== undefined) return { name: known };
  if (
    names.size >= MAX_NAMED ||
    text.includes('*') ||
    !/^\s*(?:select|insert|update|delete|with)\b/.test(text)
  ) {
    return {};
  }
  const name = `p${names.size}`;
  names.set(text, name);
  return { name };
}
