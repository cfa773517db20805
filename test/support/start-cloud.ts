import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { dataFolder, type DataFolder } from '../../src/cloud/data-folder.ts';
import { createKeys } from '../../src/cloud/keys/create-keys.ts';
import type { ConnectionLimits } from '../../src/cloud/public-server.ts';
import { startCloud, type RunningCloud } from '../../src/cloud/server.ts';
import { addDirectory } from '../../src/cloud/setup/add-directory.ts';
import { createApiKey } from '../../src/cloud/setup/create-api-key.ts';
import { SCOPES, type Scope } from '../../src/cloud/store/records.ts';
import { openStore } from '../../src/cloud/store/open-store.ts';
import type { PostgresPlace } from '../../src/cloud/store/postgres-place.ts';
import type { Store } from '../../src/cloud/store/store.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import { MemoryLog } from './memory-log.ts';
import { Program } from './program.ts';
import { copyKeys, writeDatabaseFiles } from './service-node.ts';
import { createTestCa } from './test-ca.ts';

const DAY_MS = 24 * 3600_000;

export const TEST_DIRECTORY = 'corp';

/** Issuer and audience of all tokens; the address that is dialled is `TestCloud.address`. */
export const TEST_ISSUER = 'https://reset.example';

export interface TestCloudOptions {
  readonly clock?: Clock;
  /** PEM of the CA and a certificate for 127.0.0.1 to use instead of new ones. */
  readonly tls?: TestTls;
  readonly issuer?: string;
  readonly sessionMs?: number;
  readonly limits?: Partial<ConnectionLimits>;
  /** A PostgreSQL database instead of a file. */
  readonly database?: PostgresPlace;
  /** Another node of this service: the same database, keys and certificate. */
  readonly nodeOf?: TestCloud;
  /** A process of its own, as it is installed: `stop` kills it with -9, and `log` stays empty. */
  readonly process?: true;
}

export interface TestTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Parsed JSON, or the text when it is none. */
  readonly body: unknown;
}

export interface ApiCall {
  readonly body?: unknown;
  /** Sent as it is instead of `body`. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Undefined: a key with every scope. */
  readonly key?: string;
}

/** The reset service over HTTPS on a free port, with one directory, and a key for each scope. */
export interface TestCloud extends AsyncDisposable {
  readonly address: string;
  readonly issuer: string;
  readonly tls: TestTls;
  readonly folder: DataFolder;
  readonly log: MemoryLog;
  readonly database: PostgresPlace | undefined;
  /** Every scope. */
  readonly adminKey: string;
  readonly keys: Readonly<Record<Scope, string>>;
  /** Calls the API; `path` is below the directory unless it begins with a slash. */
  call(method: string, path: string, options?: ApiCall): Promise<ApiAnswer>;
  /** Stops the service and starts it again on the same data folder and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** Tells a process of its own to drain, and resolves when it has ended; rejects unless it ended well. */
  drain(): Promise<void>;
  /** Where its health listener is. */
  readonly healthAddress: string;
  /** What the health listener answers. */
  health(path: string): Promise<{ readonly status: number; readonly text: string }>;
  start(): Promise<void>;
  /** Looks into the database beside the service. */
  inspect<T>(look: (store: Store) => Promise<T>): Promise<T>;
}

/** Starts a cloud that `[Symbol.asyncDispose]` stops and removes again. */
export async function startTestCloud(options: TestCloudOptions = {}): Promise<TestCloud> {
  const { nodeOf } = options;
  const path = await mkdtemp(join(tmpdir(), 'passback-cloud-'));
  const tls = options.tls ?? nodeOf?.tls ?? (await makeTls());
  await writeFile(join(path, 'cert.pem'), tls.cert);
  await writeFile(join(path, 'key.pem'), tls.key, { mode: 0o600 });
  const folder = dataFolder(join(path, 'data'));
  const clock = options.clock ?? systemClock;
  const issuer = options.issuer ?? TEST_ISSUER;
  const place = options.database ?? nodeOf?.database;
  const database = place && (await writeDatabaseFiles(path, place));
  await (nodeOf === undefined
    ? createKeys(folder.keys, issuer, clock.now())
    : copyKeys(nodeOf.folder, folder));
  const open = (): Promise<Store> =>
    openStore({ dataFolder: folder.path, ...(database !== undefined && { database }) });
  const { adminKey, keys } = nodeOf ?? (await populate(open, clock));
  const log = new MemoryLog();
  let port = 0;
  let running: (RunningCloud & Partial<Draining>) | undefined;
  const start = async (): Promise<void> => {
    const listen = {
      host: '127.0.0.1',
      port,
      certificateFile: join(path, 'cert.pem'),
      keyFile: join(path, 'key.pem'),
    };
    if (options.process === true) {
      running = await serve(folder, { url: issuer, listen, ...(database && { database }) });
      port = Number(new URL(running.address).port);
      return;
    }
    running = await startCloud(
      {
        url: issuer,
        dataFolder: folder.path,
        listen: { ...listen, maxConnections: 16_384 },
        health: { host: '127.0.0.1', port: 0 },
        ...(database !== undefined && { database }),
        logging: { level: 'debug' },
        sessionMs: options.sessionMs ?? 43_200_000,
        drainMs: 2_000,
        retention: { operationsMs: 30 * DAY_MS, auditMs: 400 * DAY_MS },
      },
      { clock, log, ...(options.limits !== undefined && { limits: options.limits }) },
    );
    port = Number(new URL(running.address).port);
  };
  const stop = async (): Promise<void> => {
    await running?.close();
    running = undefined;
  };
  const drain = async (): Promise<void> => {
    await running?.drain?.();
    running = undefined;
  };
  await start();
  return {
    get address() {
      return `https://127.0.0.1:${port}`;
    },
    issuer,
    tls,
    folder,
    log,
    database: place,
    adminKey,
    keys,
    call: (method, target, call = {}) => {
      const full = target.startsWith('/') ? target : `/v1/directories/${TEST_DIRECTORY}/${target}`;
      const url = new URL(full, `https://127.0.0.1:${port}`);
      return send(method, url, { key: adminKey, ...call }, tls.ca);
    },
    start,
    stop,
    drain,
    get healthAddress() {
      return running?.healthAddress ?? '';
    },
    health: async (path) => {
      const response = await fetch(new URL(path, running?.healthAddress));
      return { status: response.status, text: await response.text() };
    },
    restart: async () => {
      await stop();
      await start();
    },
    inspect: async (look) => {
      await using store = await open();
      return await look(store);
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(path, { recursive: true, force: true });
    },
  };
}

interface Draining {
  readonly drain: () => Promise<void>;
}

/** The service in a process of its own. */
async function serve(folder: DataFolder, config: object): Promise<RunningCloud & Draining> {
  await writeFile(folder.config, stringify(config));
  const program = new Program('cloud', ['serve', '--data', folder.path]);
  const [, address = ''] = await program.printed(/"address":"(https:[^"]+)"/);
  const [, healthAddress = ''] = await program.printed(/"health":"(http:[^"]+)"/);
  const status = (): Promise<string> => Promise.resolve('in a process of its own');
  const close = (): Promise<void> => program[Symbol.asyncDispose]();
  const drain = async (): Promise<void> => {
    const { code, stdout } = await program.stop();
    if (code !== 0)
      throw new Error(`it ended with ${code ?? 'a signal'}:\n${stdout.slice(-2_000)}`);
  };
  return { address, healthAddress, stuck: [], status, close, drain };
}

async function makeTls(): Promise<TestTls> {
  // For longer than a service warns before the end.
  const notAfter = new Date(Date.now() + 60 * DAY_MS);
  return (await createTestCa()).issue(['127.0.0.1', 'localhost'], { notAfter });
}

async function populate(
  open: () => Promise<Store>,
  clock: Clock,
): Promise<{ adminKey: string; keys: Record<Scope, string> }> {
  await using store = await open();
  await addDirectory(store, TEST_DIRECTORY, clock.now());
  const make = async (scopes: readonly Scope[], actor: string): Promise<string> => {
    const wish = { directory: TEST_DIRECTORY, scopes, actor };
    return (await createApiKey(store, wish, clock.now())).key.reveal();
  };
  const keys = {} as Record<Scope, string>;
  for (const scope of SCOPES) keys[scope] = await make([scope], `only-${scope}`);
  return { adminKey: await make(SCOPES, 'admin'), keys };
}

function send(
  method: string,
  url: URL,
  { body, text, headers = {}, key }: ApiCall,
  ca: string,
): Promise<ApiAnswer> {
  const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method,
        ca,
        agent: false,
        headers: {
          ...(key !== undefined && key !== '' && { authorization: `Bearer ${key}` }),
          ...(content !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString('utf8');
          const { statusCode: status = 0 } = response;
          resolve({ status, headers: response.headers, body: parse(answer) });
        });
      },
    );
    sent.on('error', reject);
    sent.end(content);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
