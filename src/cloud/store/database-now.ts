import { sql } from 'kysely';

/** PostgreSQL's own clock, not that of a node: a lease is measured on one clock. Epoch milliseconds. */
export const DATABASE_NOW = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;
