import { randomUUID } from 'node:crypto';
import { Client, type ClientConfig } from 'pg';
import { Secret } from '../../src/support/secret.ts';
import type { PostgresPlace } from '../../src/cloud/store/postgres-place.ts';
import { eventually } from '../support/eventually.ts';
import { docker } from './docker.ts';
import type { PostgresDescription } from './start-postgres.ts';

const PASSWORD = 'lab-postgres';

/** What tests do with the database server. */
export interface PostgresServer extends PostgresDescription {
  /** A new, empty database and its owner's way in. */
  createDatabase(): Promise<PostgresPlace>;
  /** A way in that is not right. */
  placeOf(part?: Partial<PostgresPlace>): PostgresPlace;
  /** How the superuser connects. */
  adminOf(database: string): ClientConfig;
  /** Runs a statement as the superuser. */
  query<T extends object>(
    database: string,
    text: string,
    values?: readonly unknown[],
  ): Promise<T[]>;
  /** Stops it with its connections, as an administrator does, and starts it again. */
  restart(): Promise<void>;
  /** Kills it, as a power cut does; `start` brings it back. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export function postgresServer(description: PostgresDescription): PostgresServer {
  const { port, containerId, ca } = description;
  const placeOf = (part: Partial<PostgresPlace> = {}): PostgresPlace => ({
    host: 'localhost',
    port,
    user: 'postgres',
    password: new Secret(PASSWORD),
    database: 'postgres',
    tls: { ca },
    poolSize: 5,
    ...part,
  });
  const adminOf = (database: string): ClientConfig => ({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: PASSWORD,
    database,
  });
  const query: PostgresServer['query'] = async (database, text, values = []) => {
    const client = new Client(adminOf(database));
    await client.connect();
    try {
      return (await client.query(text, [...values])).rows as never[];
    } finally {
      await client.end();
    }
  };
  const answers = async (): Promise<void> => {
    // After a crash it reads and syncs its whole data folder first.
    await eventually(() => query('postgres', 'select 1'), 120_000);
  };
  return {
    ...description,
    placeOf,
    query,
    adminOf,
    createDatabase: async () => {
      const name = `t_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
      await query('postgres', `create role ${name} login password '${PASSWORD}'`);
      await query('postgres', `create database ${name} owner ${name}`);
      return placeOf({ user: name, database: name });
    },
    restart: async () => {
      await docker(['restart', '--time', '10', containerId]);
      await answers();
    },
    kill: async () => {
      await docker(['kill', containerId]);
    },
    start: async () => {
      await docker(['start', containerId]);
      await answers();
    },
  };
}
