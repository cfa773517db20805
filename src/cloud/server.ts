import { setMaxListeners } from 'node:events';
import type { Server } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { CLOSE_CODES } from '../protocol/messages.ts';
import type { Clock } from '../support/clock.ts';
import { privateFolder } from '../support/files.ts';
import type { Logger } from '../support/logger.ts';
import { onAbort } from '../support/on-abort.ts';
import { Rounds } from '../support/rounds.ts';
import { createApp } from './api/app.ts';
import type { CloudConfig } from './config/cloud-config.ts';
import { isLoopback } from './config/load-config.ts';
import { dataFolder } from './data-folder.ts';
import { DeviceKeys } from './keys/device-keys.ts';
import { KeyFolder } from './keys/key-folder.ts';
import { LiveKeys } from './keys/live-keys.ts';
import { watchKeys } from './keys/watch-keys.ts';
import { mustHaveDatabase } from './setup/must-have-database.ts';
import { expiryWarnings, warnOfCertificateDaily } from './health/expiry.ts';
import { createHealthServer } from './health/health-server.ts';
import { ServiceMetrics } from './health/metrics.ts';
import { serviceStatus } from './health/service-status.ts';
import { acceptUpgrades } from './link/accept-upgrades.ts';
import { sessionDuties } from './link/duties.ts';
import { watchSessions } from './link/watch-sessions.ts';
import { addressOf, listen, stopListening } from './listen.ts';
import { readOwnCertificate, ShownCertificate, watchCertificate } from './own-certificate.ts';
import {
  CONNECTION_LIMITS,
  createPublicServer,
  guardEntrance,
  type ConnectionLimits,
} from './public-server.ts';
import { openServiceNode, type ServiceNode } from './service-node.ts';
import { groupCommit } from './store/group-commit.ts';
import { Together } from './store/together.ts';
import type { Core } from './writeback/core.ts';
import { Dispatcher } from './writeback/dispatcher.ts';
import { watchPauses } from './writeback/pause.ts';
import { readiness } from './writeback/readiness.ts';
import { settle } from './writeback/settle.ts';
import { submitAll } from './writeback/submit.ts';
import { sweep } from './writeback/sweep.ts';

export interface CloudDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** A test has neither the sockets nor the time that an installation has. */
  readonly limits?: Partial<ConnectionLimits>;
}

export interface RunningCloud {
  /** Where it listens, which may differ from the public URL. */
  readonly address: string;
  /** Where `/livez`, `/readyz`, `/metrics` and `/status.json` are. */
  readonly healthAddress: string;
  /** What does not get on any more, and a restart would cure; empty while all does. */
  readonly stuck: readonly string[];
  /** How it is, in one line. Never rejects. */
  status(): Promise<string>;
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
  await mustHaveDatabase(config);
  const tls = await readOwnCertificate(config.listen);
  const certificate = tls && new ShownCertificate(tls);
  const { clock, log } = deps;
  const node = await openServiceNode(config, { clock, log, keys: () => keys.current });
  try {
    await keyFolder.sweep(deps.clock.now());
    const limits = {
      ...CONNECTION_LIMITS,
      connections: config.listen.maxConnections,
      ...deps.limits,
    };
    const server = createPublicServer(tls, limits);
    const service = new Service(server, { ...deps, config, certificate, keys, node, limits });
    return await service.start();
  } catch (error) {
    await node.close();
    throw error;
  }
}

interface Parts extends CloudDeps {
  readonly config: CloudConfig;
  readonly certificate: ShownCertificate | undefined;
  readonly keys: LiveKeys;
  readonly node: ServiceNode;
  readonly limits: ConnectionLimits;
}

class Service implements RunningCloud {
  readonly #server: Server;
  readonly #health: Server;
  readonly #parts: Parts;
  readonly #core: Core;
  readonly #dispatcher: Dispatcher;
  readonly #draining = new AbortController();
  readonly #stopping = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(server: Server, parts: Parts) {
    const { config, certificate, keys, node, clock, log } = parts;
    this.#server = server;
    this.#parts = parts;
    const meters = new ServiceMetrics();
    const startedAt = clock.now();
    this.#core = {
      issuer: config.url,
      store: node.store,
      groupCommit: groupCommit(node.store),
      submissions: new Together((submitting) => submitAll(this.#core, submitting)),
      answers: new Together((answers) => settle(this.#core, answers)),
      get keys() {
        return keys.current;
      },
      deviceKeys: new DeviceKeys(),
      sessions: node.sessions,
      relay: node.relay,
      clock,
      log,
      meters,
      rounds: new Rounds(clock),
    };
    setMaxListeners(0, this.#stopping.signal); // one for each caller that waits for an outcome
    const draining = this.#draining.signal;
    meters.watch({ core: this.#core, sessions: node.live, draining, certificate });
    this.#health = createHealthServer({
      metrics: meters,
      readiness: () => readiness(this.#core, draining),
      stuck: () => this.stuck,
      warnings: () => this.#warnings(),
      isLoopback: isLoopback(parts.config.health.host),
      status: () => serviceStatus({ ...this.#parts, core: this.#core, startedAt, draining }),
      clock,
      log,
    });
    this.#dispatcher = new Dispatcher(this.#core);
  }

  get address(): string {
    const { host, certificateFile } = this.#parts.config.listen;
    return addressOf(this.#server, certificateFile === undefined ? 'http' : 'https', host);
  }

  get healthAddress(): string {
    return addressOf(this.#health, 'http', this.#parts.config.health.host);
  }

  get stuck(): readonly string[] {
    return this.#core.rounds.stuck;
  }

  async status(): Promise<string> {
    const problem = await readiness(this.#core, this.#draining.signal);
    const agents = `${this.#parts.node.live.all().length} agents connected`;
    const standing =
      problem === undefined ? `ready, ${agents}` : `not ready: ${problem}; ${agents}`;
    return [standing, ...this.#warnings()].join('; ');
  }

  async start(): Promise<RunningCloud> {
    const [draining, stopping] = [this.#draining.signal, this.#stopping.signal];
    const app = createApp({ core: this.#core, dispatcher: this.#dispatcher, draining, stopping });
    const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    this.#server.on('request', (request, response) => void listener(request, response));
    const { live } = this.#parts.node;
    const entrance = guardEntrance(this.#server, {
      ...{ limits: this.#parts.limits, clock: this.#core.clock, log: this.#core.log, stopping },
    });
    acceptUpgrades(this.#server, {
      core: this.#core,
      entrance,
      sessions: live,
      duties: sessionDuties(this.#core, live),
      renewEveryMs: this.#parts.config.sessionMs,
      draining,
    });
    await this.#parts.node.start(this.#core, this.#dispatcher);
    await this.#listen();
    await this.#dispatcher.resume();
    const { config, keys, log } = this.#parts;
    void sweep(this.#core, config.retention, this.#draining.signal);
    void watchKeys(this.#core, keys, stopping);
    void watchSessions(live, this.#core, stopping);
    void watchPauses(this.#core, stopping);
    this.#lookAfterCertificate(stopping);
    log.info('cloud.started', {
      url: config.url,
      address: this.address,
      health: this.healthAddress,
    });
    return this;
  }

  #lookAfterCertificate(stopping: AbortSignal): void {
    const { config, certificate, clock, log } = this.#parts;
    if (!(this.#server instanceof TlsServer) || certificate === undefined) return;
    const { rounds } = this.#core;
    const watch = { listen: config.listen, shown: certificate, rounds, clock, log };
    void watchCertificate(this.#server, watch, stopping);
    const warning = warnOfCertificateDaily(certificate, { clock, log });
    onAbort(stopping, () => {
      warning[Symbol.dispose]();
    });
  }

  #warnings(): readonly string[] {
    const { certificate, clock } = this.#parts;
    return expiryWarnings({ keySet: this.#core.keys.keySet, certificate }, clock.now());
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    const { config, node, log } = this.#parts;
    log.info('cloud.stopping');
    this.#draining.abort();
    await Promise.all([this.#dispatcher.close(config.drainMs), node.drain(config.drainMs)]);
    this.#stopping.abort();
    const sessions = node.live.all();
    for (const session of sessions) session.goodbye('the service is stopping', CLOSE_CODES.drain);
    await Promise.all(sessions.map((session) => untilAborted(session.closed)));
    await this.#stopListening();
    await stopListening(this.#health, Promise.resolve());
    await node.close();
    log.info('cloud.stopped');
  }

  async #listen(): Promise<void> {
    const { config } = this.#parts;
    await listen(this.#server, 'listen', config.listen);
    try {
      await listen(this.#health, 'health', config.health);
    } catch (error) {
      await this.#stopListening();
      throw error;
    }
  }

  async #stopListening(): Promise<void> {
    const grace = this.#parts.clock.sleep(2_000, new AbortController().signal);
    await stopListening(this.#server, grace);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}
