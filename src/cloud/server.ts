import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, DropArgument } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { CLOSE_CODES } from '../protocol/messages.ts';
import type { Clock } from '../support/clock.ts';
import { ConfigError } from '../support/config-error.ts';
import { privateFile, privateFolder } from '../support/files.ts';
import type { Logger } from '../support/logger.ts';
import { onAbort } from '../support/on-abort.ts';
import { createApp } from './api/app.ts';
import type { CloudConfig } from './config/cloud-config.ts';
import { dataFolder } from './data-folder.ts';
import { DeviceKeys } from './keys/device-keys.ts';
import { KeyFolder } from './keys/key-folder.ts';
import { LiveKeys } from './keys/live-keys.ts';
import { watchKeys } from './keys/watch-keys.ts';
import { acceptUpgrades } from './link/accept-upgrades.ts';
import { sessionDuties } from './link/duties.ts';
import { LiveSessions } from './link/live-sessions.ts';
import { lockForServing } from './setup/serve-lock.ts';
import { GroupCommit } from './store/group-commit.ts';
import { openSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import { readTlsPair, type TlsPair } from './tls-pair.ts';
import type { Core } from './writeback/core.ts';
import { Dispatcher } from './writeback/dispatcher.ts';
import { sweep } from './writeback/sweep.ts';

const TIME_LIMITS = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 };

/** What strangers can take of the service without a key. */
export interface ConnectionLimits {
  /** Whoever opens sockets and says nothing must not use up the process's file descriptors. */
  readonly connections: number;
  /** Node gives a handshake two minutes; an honest one takes a second. */
  readonly handshakeMs: number;
}

/** Ten thousand agents and their callers; the process needs as many file descriptors (LimitNOFILE). */
const LIMITS: ConnectionLimits = { connections: 16_384, handshakeMs: 10_000 };

/** Whoever floods the service must not flood its log. */
const TELL_FULL_EVERY_MS = 60_000;

export interface CloudDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Default is what an installation needs; a test has neither the sockets nor the time. */
  readonly limits?: ConnectionLimits;
}

export interface RunningCloud {
  /** Where it listens, which may differ from the public URL. */
  readonly address: string;
  /** Lets what is under way end, says goodbye to the agents, stops. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the service. Rejects with `ConfigError`, `KeyFolderError`, `FolderError`, `SetupError` or
 * `StoreError`.
 */
export async function startCloud(config: CloudConfig, deps: CloudDeps): Promise<RunningCloud> {
  const folder = dataFolder(config.dataFolder);
  const keyFolder = new KeyFolder(folder.keys);
  const keys = await LiveKeys.load(keyFolder, config.url, deps.clock.now());
  await privateFolder(folder.path);
  await privateFolder(folder.keys);
  const tls = await readTls(config.listen);
  const lock = lockForServing(folder.lock);
  let store: Store | undefined;
  try {
    await keyFolder.sweep(deps.clock.now());
    store = await openSqliteStore(folder.database);
    const server = createServer(tls, deps.limits ?? LIMITS);
    const service = new Service(server, { ...deps, config, keys, store, lock });
    return await service.start();
  } catch (error) {
    await store?.[Symbol.asyncDispose]();
    lock[Symbol.dispose]();
    throw error;
  }
}

interface Parts extends CloudDeps {
  readonly config: CloudConfig;
  readonly keys: LiveKeys;
  readonly store: Store;
  readonly lock: Disposable;
}

class Service implements RunningCloud {
  readonly #server: Server;
  readonly #parts: Parts;
  readonly #sessions = new LiveSessions();
  readonly #core: Core;
  readonly #dispatcher: Dispatcher;
  readonly #draining = new AbortController();
  readonly #stopping = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(server: Server, parts: Parts) {
    const { config, keys, store, clock, log } = parts;
    this.#server = server;
    this.#parts = parts;
    this.#core = {
      issuer: config.url,
      store,
      groupCommit: new GroupCommit(store),
      get keys() {
        return keys.current;
      },
      deviceKeys: new DeviceKeys(),
      sessions: this.#sessions,
      clock,
      log,
    };
    this.#dispatcher = new Dispatcher(this.#core);
  }

  get address(): string {
    const { listen } = this.#parts.config;
    const scheme = listen.certificateFile === undefined ? 'http' : 'https';
    const { port } = this.#server.address() as AddressInfo; // it listens on TCP
    const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
    return `${scheme}://${host}:${port}`;
  }

  async start(): Promise<RunningCloud> {
    const [draining, stopping] = [this.#draining.signal, this.#stopping.signal];
    const app = createApp({ core: this.#core, dispatcher: this.#dispatcher, draining, stopping });
    const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    this.#server.on('request', (request, response) => void listener(request, response));
    acceptUpgrades(this.#server, {
      core: this.#core,
      sessions: this.#sessions,
      duties: sessionDuties(this.#core, this.#sessions),
      renewEveryMs: this.#parts.config.sessionMs,
      draining,
    });
    this.#tellWhenFull();
    await this.#listen();
    await this.#dispatcher.resume();
    const { config, keys, log } = this.#parts;
    void sweep(this.#core, config.retention, this.#draining.signal);
    void watchKeys(this.#core, keys, stopping);
    log.info('cloud.started', { url: config.url, address: this.address });
    return this;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    const { config, store, lock, log } = this.#parts;
    log.info('cloud.stopping');
    this.#draining.abort();
    await this.#dispatcher.close(config.drainMs);
    this.#stopping.abort();
    const sessions = this.#sessions.all();
    for (const session of sessions) session.goodbye('the service is stopping', CLOSE_CODES.drain);
    await Promise.all(sessions.map((session) => untilAborted(session.closed)));
    await this.#stopListening();
    await store[Symbol.asyncDispose]();
    lock[Symbol.dispose]();
    log.info('cloud.stopped');
  }

  /** Node closes what is beyond `maxConnections` without a word to anybody. */
  #tellWhenFull(): void {
    const { clock, log } = this.#parts;
    let [toldAt, dropped] = [-Infinity, 0];
    this.#server.on('drop', (data?: DropArgument) => {
      dropped += 1;
      if (clock.monotonic() - toldAt < TELL_FULL_EVERY_MS) return;
      const { maxConnections: allowed } = this.#server;
      log.warn('cloud.connections_full', { allowed, dropped, remote: data?.remoteAddress });
      [toldAt, dropped] = [clock.monotonic(), 0];
    });
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#parts.config.listen;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(
          new ConfigError([
            {
              key: 'listen.port',
              problem: `cannot listen on ${host} port ${port}: ${LISTEN_FAILURES[codeOf(error)] ?? codeOf(error)}`,
            },
          ]),
        );
      });
      this.#server.listen(port, host, resolve);
    });
  }

  async #stopListening(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    this.#server.closeIdleConnections();
    await Promise.race([closed, this.#parts.clock.sleep(2_000, new AbortController().signal)]);
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The pair that the configuration names; undefined where it names none. */
async function readTls({
  certificateFile,
  keyFile,
}: CloudConfig['listen']): Promise<TlsPair | undefined> {
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  const read = await readTlsPair({ certificateFile, keyFile });
  if ('problems' in read) {
    throw new ConfigError(
      read.problems.map(({ file, problem }) => ({ key: `listen.${file}`, problem })),
    );
  }
  await privateFile(keyFile);
  return read.pair;
}

function createServer(
  tls: TlsPair | undefined,
  { connections, handshakeMs: handshakeTimeout }: ConnectionLimits,
): Server {
  const server =
    tls === undefined
      ? createHttpServer(TIME_LIMITS)
      : createHttpsServer({ ...TIME_LIMITS, ...tls, handshakeTimeout, minVersion: 'TLSv1.2' });
  server.maxConnections = connections;
  return server;
}

const LISTEN_FAILURES: Readonly<Partial<Record<string, string>>> = {
  EADDRINUSE: 'it is in use; choose another port or stop what uses it',
  EACCES:
    'this account may not open it; ports below 1024 need CAP_NET_BIND_SERVICE, or choose another',
  EADDRNOTAVAIL: 'this machine does not have that address; look at listen.host',
  ENOTFOUND: 'that host name is not known; look at listen.host',
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}
