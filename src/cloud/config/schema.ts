import type { Schema } from 'convict';
import { DEFAULT_POOL_SIZE } from '../store/postgres-place.ts';
import { shown } from '../../support/shown.ts';

/** What convict yields; an empty text stands for "not set". */
export interface RawConfig {
  readonly url: string;
  readonly dataFolder: string;
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly certificateFile: string;
    readonly keyFile: string;
    readonly maxConnections: number;
  };
  readonly health: { readonly host: string; readonly port: number };
  readonly database: {
    readonly urlFile: string;
    readonly caFile: string;
    readonly poolSize: number;
  };
  readonly logging: { readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly file: string };
  readonly sessionMs: number;
  readonly drainMs: number;
  readonly retention: { readonly operationsDays: number; readonly auditDays: number };
}

/** One kind of value; the table of all settings says what is expected, too. */
interface Format {
  /** Completes "expected …". */
  readonly expected: string;
  readonly format: (value: unknown) => void;
  /** Nothing here is secret: convict would say the value once more. */
  readonly sensitive: true;
}

const PATH = format('a path', (value) => typeof value === 'string');
/** Whoever gives the URL instead of the file has a password in a place that others can read. */
const URL_FILE: Format = {
  expected: 'a path',
  sensitive: true,
  format: (value) => {
    if (typeof value === 'string' && !value.includes('://')) return;
    throw new Error(
      'expected the path of a file that holds the URL, because there is a password in it, found something else',
    );
  },
};
const LEVEL = format('one of error, warn, info, debug', (value) =>
  ['error', 'warn', 'info', 'debug'].includes(value as string),
);

/** Every setting with its meaning, what it expects, its default and its environment variable. */
export const SCHEMA: Schema<RawConfig> = {
  url: {
    doc: 'What agents and callers reach the service by: https://, no path needed',
    ...format('an address such as https://reset.example.com', isPublicUrl),
    default: '',
    env: 'PASSBACK_CLOUD_URL',
  },
  dataFolder: {
    doc: 'Keys and database; entered by the account of the service only. Default: the folder of the file',
    ...format('a path', isFilled),
    default: '',
    env: 'PASSBACK_CLOUD_DATA_FOLDER',
  },
  listen: {
    host: {
      doc: 'Address to listen on; without a certificate it must be the loopback interface',
      ...format('an address or a host name of this machine', isFilled),
      default: '127.0.0.1',
      env: 'PASSBACK_CLOUD_LISTEN_HOST',
    },
    port: {
      doc: 'Port to listen on; 0: any that is free',
      ...whole('a port', 0, 65_535),
      default: 8443,
      env: 'PASSBACK_CLOUD_LISTEN_PORT',
    },
    certificateFile: {
      doc: 'PEM file with the certificate chain; none: plain HTTP behind a reverse proxy',
      ...PATH,
      default: '',
      env: 'PASSBACK_CLOUD_LISTEN_CERTIFICATE_FILE',
    },
    keyFile: {
      doc: 'PEM file with the private key of the certificate, not readable by every account',
      ...PATH,
      default: '',
      env: 'PASSBACK_CLOUD_LISTEN_KEY_FILE',
    },
    maxConnections: {
      doc: 'Connections that are open at one time at the most, one for each agent and each caller; the process needs as many file descriptors and a hundred more (LimitNOFILE)',
      ...whole('connections', 64, 1_000_000),
      default: 16_384,
      env: 'PASSBACK_CLOUD_LISTEN_MAX_CONNECTIONS',
    },
  },
  health: {
    host: {
      doc: 'Address for /livez, /readyz, /metrics and /status.json: plain HTTP without a key, so none that strangers reach',
      ...format('an address or a host name of this machine', isFilled),
      default: '127.0.0.1',
      env: 'PASSBACK_CLOUD_HEALTH_HOST',
    },
    port: {
      doc: 'Port for them; 0: any that is free, named in the log',
      ...whole('a port', 0, 65_535),
      default: 9465,
      env: 'PASSBACK_CLOUD_HEALTH_PORT',
    },
  },
  database: {
    urlFile: {
      doc: 'Private file with the postgres:// URL of a PostgreSQL database; none: SQLite in the data folder',
      ...URL_FILE,
      default: '',
      env: 'PASSBACK_CLOUD_DATABASE_URL_FILE',
    },
    caFile: {
      doc: 'PEM file with the CA of the database server; none: those of the system',
      ...PATH,
      default: '',
      env: 'PASSBACK_CLOUD_DATABASE_CA_FILE',
    },
    poolSize: {
      doc: 'Connections to PostgreSQL that this process opens at the most, besides the one it listens on',
      ...whole('connections', 2, 200),
      default: DEFAULT_POOL_SIZE,
      env: 'PASSBACK_CLOUD_DATABASE_POOL_SIZE',
    },
  },
  logging: {
    level: {
      doc: 'Least level that is logged',
      ...LEVEL,
      default: 'info',
      env: 'PASSBACK_CLOUD_LOGGING_LEVEL',
    },
    file: {
      doc: 'Log file; none: standard output',
      ...PATH,
      default: '',
      env: 'PASSBACK_CLOUD_LOGGING_FILE',
    },
  },
  sessionMs: {
    doc: 'How long the session of an agent lasts before it has to prove itself anew, without losing it',
    ...whole('milliseconds', 60_000, 604_800_000, ' (a minute to a week)'),
    default: 43_200_000,
    env: 'PASSBACK_CLOUD_SESSION_MS',
  },
  drainMs: {
    doc: 'How long commands under way may take to end when the service is stopped',
    ...whole('milliseconds', 0, 60_000),
    default: 10_000,
    env: 'PASSBACK_CLOUD_DRAIN_MS',
  },
  retention: {
    operationsDays: {
      doc: 'How many days an operation is kept after its outcome is final',
      ...whole('days', 1, 36_500),
      default: 30,
      env: 'PASSBACK_CLOUD_RETENTION_OPERATIONS_DAYS',
    },
    auditDays: {
      doc: 'How many days an entry of the audit is kept, with the signed outcome in it',
      ...whole('days', 1, 36_500),
      default: 400,
      env: 'PASSBACK_CLOUD_RETENTION_AUDIT_DAYS',
    },
  },
};

function format(expected: string, isGood: (value: unknown) => boolean): Format {
  return {
    expected,
    sensitive: true,
    format: (value) => {
      if (!isGood(value)) throw new Error(`expected ${expected}, found ${shown(value)}`);
    },
  };
}

function whole(what: string, min: number, max: number, inWords = ''): Format {
  return format(
    `${what} from ${min} to ${max}${inWords}`,
    (value) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max,
  );
}

function isFilled(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '';
}

function isPublicUrl(value: unknown): boolean {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  return url?.protocol === 'https:' && url.search === '' && url.hash === '' && url.username === '';
}

/** One setting as a table shows it. */
export interface Setting {
  readonly key: string;
  readonly doc: string;
  readonly default: unknown;
  readonly env: string;
  readonly expected: string;
}

/** Every setting of the schema, in its order. */
export const SETTINGS: readonly Setting[] = leavesOf(SCHEMA);

function leavesOf(schema: object, prefix = ''): readonly Setting[] {
  return Object.entries(schema).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value !== 'object' || value === null) return [];
    const key = `${prefix}${name}`;
    return isLeaf(value) ? [{ ...value, key }] : leavesOf(value, `${key}.`);
  });
}

function isLeaf(value: object): value is Omit<Setting, 'key'> {
  return ['default', 'doc', 'env', 'expected'].every((name) => name in value);
}
