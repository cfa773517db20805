import type { PostgresSettings } from '../store/postgres-place.ts';
import type { Retention } from '../writeback/sweep.ts';
import type { LogLevel } from '../../support/winston-logger.ts';

/** All that an admin can set, checked, frozen, with every default filled in. */
export interface CloudConfig {
  /** What agents and callers reach the service by, without a slash at the end. */
  readonly url: string;
  readonly dataFolder: string;
  readonly listen: {
    readonly host: string;
    /** 0: any that is free. */
    readonly port: number;
    /** PEM; absent: plain HTTP, on the loopback interface only. */
    readonly certificateFile?: string;
    readonly keyFile?: string;
    readonly maxConnections: number;
  };
  /** Where `/livez`, `/readyz`, `/metrics` and `/status.json` are; port 0: any that is free. */
  readonly health: { readonly host: string; readonly port: number };
  /** Absent: SQLite, a file in the data folder. */
  readonly database?: PostgresSettings;
  readonly logging: { readonly level: LogLevel; readonly file?: string };
  /** An agent's session is renewed this often. */
  readonly sessionMs: number;
  readonly drainMs: number;
  readonly retention: Retention;
}
