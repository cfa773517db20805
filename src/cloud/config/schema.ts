import type { Schema } from 'convict';

/** What convict yields; an empty text stands for "not set". */
export interface RawConfig {
  readonly url: string;
  readonly dataFolder: string;
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly certificateFile: string;
    readonly keyFile: string;
  };
  readonly logging: { readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly file: string };
  readonly sessionMs: number;
  readonly drainMs: number;
  readonly retention: { readonly operationsDays: number; readonly auditDays: number };
}

/** Every setting with its meaning, default and environment variable. */
export const SCHEMA: Schema<RawConfig> = {
  url: {
    doc: 'What agents and callers reach the service by: https://, no path needed',
    format: publicUrl,
    default: '',
    env: 'PASSBACK_CLOUD_URL',
  },
  dataFolder: {
    doc: 'Keys and database; entered by the account of the service only',
    format: filled,
    default: '',
    env: 'PASSBACK_CLOUD_DATA_FOLDER',
  },
  listen: {
    host: {
      doc: 'Address to listen on; without a certificate it must be the loopback interface',
      format: filled,
      default: '127.0.0.1',
      env: 'PASSBACK_CLOUD_LISTEN_HOST',
    },
    port: {
      doc: 'Port to listen on',
      format: 'port',
      default: 8443,
      env: 'PASSBACK_CLOUD_LISTEN_PORT',
    },
    certificateFile: {
      doc: 'PEM file with the certificate chain; empty: plain HTTP behind a reverse proxy',
      format: String,
      default: '',
      env: 'PASSBACK_CLOUD_LISTEN_CERTIFICATE_FILE',
    },
    keyFile: {
      doc: 'PEM file with the private key of the certificate',
      format: String,
      default: '',
      env: 'PASSBACK_CLOUD_LISTEN_KEY_FILE',
    },
  },
  logging: {
    level: {
      doc: 'error, warn, info or debug',
      format: ['error', 'warn', 'info', 'debug'],
      default: 'info',
      env: 'PASSBACK_CLOUD_LOGGING_LEVEL',
    },
    file: {
      doc: 'Log file; empty: standard output',
      format: String,
      default: '',
      env: 'PASSBACK_CLOUD_LOGGING_FILE',
    },
  },
  sessionMs: {
    doc: 'How long the session of an agent lasts before it has to prove itself anew, without losing it',
    format: sessionTime,
    default: 43_200_000,
    env: 'PASSBACK_CLOUD_SESSION_MS',
  },
  drainMs: {
    doc: 'How long commands under way may take to end when the service is stopped',
    format: drainTime,
    default: 10_000,
    env: 'PASSBACK_CLOUD_DRAIN_MS',
  },
  retention: {
    operationsDays: {
      doc: 'How many days an operation is kept after its outcome is final',
      format: days,
      default: 30,
      env: 'PASSBACK_CLOUD_RETENTION_OPERATIONS_DAYS',
    },
    auditDays: {
      doc: 'How many days an entry of the audit is kept, with the signed outcome in it',
      format: days,
      default: 400,
      env: 'PASSBACK_CLOUD_RETENTION_AUDIT_DAYS',
    },
  },
};

function publicUrl(value: unknown): void {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === 'https:' && url.search === '' && url.hash === '' && url.username === '') {
    return;
  }
  throw new Error('expected an address such as https://reset.example.com');
}

function filled(value: unknown): void {
  if (typeof value !== 'string' || value.trim() === '') throw new Error('expected a text');
}

function sessionTime(value: unknown): void {
  if (typeof value === 'number' && value >= 60_000 && value <= 604_800_000) return;
  throw new Error('expected milliseconds from 60000 (a minute) to 604800000 (a week)');
}

function days(value: unknown): void {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 36_500) return;
  throw new Error('expected whole days from 1 to 36500');
}

function drainTime(value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= 60_000) return;
  throw new Error('expected milliseconds from 0 to 60000');
}
