import { readFile } from 'node:fs/promises';
import { ConfigError } from '../../support/config-error.ts';
import { fileFailure } from '../../support/file-failure.ts';
import { privateFile } from '../../support/files.ts';
import { Secret } from '../../support/secret.ts';

/** What the configuration says of a PostgreSQL database. */
export interface PostgresSettings {
  /** Private file with one line: postgres://user:password@host:5432/database */
  readonly urlFile: string;
  /** PEM of the CAs that may have signed the server's certificate; absent: the system's. */
  readonly caFile?: string;
  /** Connections that this process opens at the most. */
  readonly poolSize: number;
}

export const DEFAULT_POOL_SIZE = 10;

/** Where a database is, and how it is entered. */
export interface PostgresPlace {
  /** A host name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: Secret;
  readonly database: string;
  /** The server's certificate is verified, its name included; undefined: nothing leaves the machine. */
  readonly tls: { readonly ca?: string } | undefined;
  readonly poolSize: number;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);
const EXAMPLE = 'postgres://passback:PASSWORD@db.example.com:5432/passback';

/** Reads the file with the URL. Rejects with `ConfigError` or `FolderError`, which never quote it. */
export async function readPostgresPlace(settings: PostgresSettings): Promise<PostgresPlace> {
  const { urlFile, caFile, poolSize } = settings;
  await privateFile(urlFile);
  const text = await readSetting('database.urlFile', urlFile);
  const place = parsePostgresUrl(text.trim());
  if ('problem' in place) throw refused('database.urlFile', `${urlFile}: ${place.problem}`);
  const { tls, ...rest } = place;
  const ca = caFile === undefined ? undefined : await readSetting('database.caFile', caFile);
  if (!tls && ca !== undefined) {
    const problem = 'is used with sslmode=verify-full only; add that to the URL, or leave it out';
    throw refused('database.caFile', problem);
  }
  return { ...rest, poolSize, tls: tls ? { ...(ca !== undefined && { ca }) } : undefined };
}

type Parsed = Omit<PostgresPlace, 'tls' | 'poolSize'> & { readonly tls: boolean };

/** What a URL says, or what is wrong with it, without a word of it: it holds a password. */
export function parsePostgresUrl(text: string): Parsed | { readonly problem: string } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    return { problem: `expected one line such as ${EXAMPLE}` };
  }
  const host = decoded(url.hostname).replace(/^\[(.*)\]$/, '$1');
  const [user, password] = [decoded(url.username), decoded(url.password)];
  const database = decoded(url.pathname.slice(1));
  const isLocal = host.startsWith('/') || LOOPBACK.has(host);
  const tls = tlsOf(url.searchParams, isLocal);
  const problem = typeof tls === 'string' ? tls : missingIn({ host, user, password, database });
  if (typeof tls === 'string' || problem !== undefined) return { problem: problem ?? EXAMPLE };
  const port = url.port === '' ? 5432 : Number(url.port);
  return { host, port, user, password: new Secret(password), database, tls };
}

/** Whether TLS is spoken, or why it cannot be as asked. */
function tlsOf(parameters: URLSearchParams, isLocal: boolean): boolean | string {
  for (const name of parameters.keys()) {
    if (name !== 'sslmode') return 'sslmode is the one parameter that the URL may have';
  }
  const mode = parameters.get('sslmode');
  if (mode === 'verify-full') return true;
  if (isLocal && (mode === null || mode === 'disable')) return false;
  if (mode === null) return true;
  return 'sslmode has to be verify-full: certificate and host name of the server are always verified (the CA goes into database.caFile); only 127.0.0.1 and a Unix socket go without TLS';
}

function missingIn(parts: Readonly<Record<'host' | 'user' | 'password' | 'database', string>>) {
  const isSocket = parts.host.startsWith('/');
  for (const part of ['host', 'user', 'database'] as const) {
    if (parts[part] === '') return `names no ${part}; expected ${EXAMPLE}`;
  }
  return parts.password === '' && !isSocket ? `has no password; expected ${EXAMPLE}` : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % stands for itself
  }
}

async function readSetting(key: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw refused(key, `${path} ${fileFailure(error)}`);
  }
}

function refused(key: string, problem: string): ConfigError {
  return new ConfigError([{ key, problem }]);
}
