import type { Server } from 'node:http';
import { once } from 'node:events';
import { localServer } from '../support/local-server.ts';
import { keepTold } from '../support/service-manager.ts';
import { guardSummary } from './guard-summary.ts';
import type { Health } from './health/health.ts';
import { keepListening } from './health/keep-listening.ts';
import {
  controlListener,
  healthListener,
  type LocalControl,
  type LocalView,
} from './health/local-http.ts';
import { defaultSocket, listenOnSocket } from './health/local-socket.ts';
import { linkStatus } from './health/local-status.ts';
import { Metrics } from './health/metrics.ts';
import { notReadyBecause } from './health/readiness.ts';
import { Watchdog } from './health/watchdog.ts';
import type { LinkMonitor } from './link/link-report.ts';
import type { Parts } from './parts.ts';

const TURN_MS = 1_000;
const MAX_CONNECTIONS = 32;

export interface LocalParts {
  readonly health: Health;
  readonly monitor: LinkMonitor;
  readonly version: string;
  readonly oldestCommandAt: () => number | undefined;
  readonly draining: () => boolean;
  readonly drain: AbortSignal;
}

/** What this machine is shown of the agent, and what shows that the agent gets on. */
export class Local {
  readonly metrics: Metrics;
  /** Fed by real progress: what the service manager is told that the agent is alive by. */
  readonly watchdog: Watchdog;
  readonly #parts: Parts;
  readonly #local: LocalParts;

  constructor(parts: Parts, local: LocalParts) {
    const { health, monitor, version, oldestCommandAt } = local;
    this.#parts = parts;
    this.#local = local;
    const facts = (): ReturnType<ConstructorParameters<typeof Metrics>[0]> => ({
      report: health.report,
      link: monitor.report,
      journalBytes: parts.journal.size,
      ready: this.#notReady().length === 0,
    });
    this.metrics = new Metrics(facts, version);
    this.watchdog = new Watchdog({ clock: parts.clock, oldestCommandAt });
    monitor.watch((report) => {
      this.watchdog.linkMoved(report);
      if (report.state === 'ready') this.metrics.sessionBegan();
    });
    monitor.listen(() => {
      this.watchdog.heard();
    });
  }

  /** Serves until `signal` aborts. Never rejects: the agent works as well without anybody looking. */
  async serve(control: LocalControl, signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#turn(signal),
      this.#socket(control, signal),
      this.#port(signal),
      this.#tell(signal),
    ]);
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { serviceManager: manager, clock, log } = this.#parts;
    const { drain } = this.#local;
    if (manager === undefined) return;
    const stuck = (): readonly string[] => {
      const { liveness } = this.watchdog;
      return liveness.alive ? [] : liveness.stuck;
    };
    const onStuck = (why: readonly string[]): void => {
      log.error('agent.stuck', { stuck: why });
    };
    const told = { manager, clock, stuck, onStuck, status: () => this.#inOneLine() };
    await keepTold(told, drain, signal);
  }

  #inOneLine(): string {
    const { state, reasons } = this.#local.health.report;
    const notReady = this.#notReady();
    const because = [...new Set([...notReady, ...reasons])].join('; ');
    return because === '' ? `${state}, ready` : `${state}: ${because}`;
  }

  async #turn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(TURN_MS, signal);
      this.watchdog.turned();
    }
  }

  async #socket(control: LocalControl, signal: AbortSignal): Promise<void> {
    const { config, clock, log } = this.#parts;
    const at = config.health.socket ?? defaultSocket(config.stateFolder);
    const server = (): Server => localServer(MAX_CONNECTIONS, controlListener(this.#view, control));
    const listen = (one: Server): Promise<void> => listenOnSocket(one, at);
    await keepListening({ at, server, listen, clock, log }, signal);
  }

  async #port(signal: AbortSignal): Promise<void> {
    const { config, clock, log } = this.#parts;
    const { port, host } = config.health;
    if (port === 0) return;
    const name = host.includes(':') ? `[${host}]` : host;
    const listen = async (server: Server): Promise<void> => {
      server.listen(port, host);
      await once(server, 'listening');
    };
    const server = (): Server => localServer(MAX_CONNECTIONS, healthListener(this.#view));
    await keepListening({ at: `http://${name}:${port}`, server, listen, clock, log }, signal);
  }

  #notReady(): readonly string[] {
    const { health, monitor, draining } = this.#local;
    return notReadyBecause({
      link: monitor.report,
      approved: this.#parts.standing.approved,
      draining: draining(),
      report: health.report,
    });
  }

  get #view(): LocalView {
    const { metrics, watchdog } = this;
    return {
      liveness: () => watchdog.liveness,
      notReady: () => this.#notReady(),
      status: () => this.#status(),
      metrics: () => metrics.text(),
      metricsType: metrics.contentType,
    };
  }

  #status(): ReturnType<LocalView['status']> {
    const { config, identity, admission } = this.#parts;
    const { health, monitor, version } = this.#local;
    const { liveness } = this.watchdog;
    const { pause } = admission;
    return {
      agent: identity.agentId,
      directory: identity.directory,
      build: { version, node: process.version, platform: process.platform, pid: process.pid },
      notReady: [...this.#notReady()],
      stuck: liveness.alive ? [] : [...liveness.stuck],
      status: health.report,
      link: linkStatus(monitor.report),
      guard: guardSummary(config, admission),
      ...(pause !== undefined && { pause: withoutName(pause) }),
    };
  }
}

/** Who ordered it is asked for at the file, by whoever may read it. */
function withoutName({
  reason,
  since,
  until,
}: NonNullable<Parts['admission']['pause']>): Pick<
  NonNullable<Parts['admission']['pause']>,
  'reason' | 'since' | 'until'
> {
  return { reason, since, ...(until !== undefined && { until }) };
}
