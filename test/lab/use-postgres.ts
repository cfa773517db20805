import { inject } from 'vitest';
import { postgresServer, type PostgresServer } from './postgres-server.ts';
import type { PostgresDescription } from './start-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgres: PostgresDescription;
  }
}

/** The one database server of this test run, for tests of the project `postgres`. */
export function usePostgres(): PostgresServer {
  return postgresServer(inject('postgres'));
}
