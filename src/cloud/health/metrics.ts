import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { packageVersion } from '../../support/version.ts';
import type { LiveSessions } from '../link/live-sessions.ts';
import type { Core } from '../writeback/core.ts';
import type { Meters } from '../writeback/meters.ts';
import { readiness } from '../writeback/readiness.ts';

const PREFIX = 'passback_cloud_';

/** From a warm database to a directory that is asked anew, and up to `Prefer: wait`. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45];

/** What is looked up when somebody asks. */
export interface MetricSources {
  readonly core: Pick<Core, 'store' | 'keys' | 'clock'>;
  readonly sessions: Pick<LiveSessions, 'census'>;
  readonly draining: AbortSignal;
  /** Absent: a reverse proxy has the certificate. */
  readonly certificate: { readonly expiresAt: number } | undefined;
}

/** The metrics of one service, in a registry of its own. */
export class ServiceMetrics implements Meters {
  readonly #registry = new Registry();
  readonly #operations = this.#counter('operations_total', 'Operations that ended', ['op', 'code']);
  readonly #refusals = this.#counter('upgrades_refused_total', 'Agents not let in', ['code']);
  readonly #dispatches = this.#histogram('dispatch_seconds', 'Command to answer', ['answered']);
  readonly #prepares = this.#histogram('prepare_seconds', 'Asking agents in prepare', ['allowed']);
  readonly #requests = this.#histogram('http_request_seconds', 'HTTP requests', [
    ...['method', 'route', 'status'],
  ]);

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    const info = this.#gauge('build_info', 'The version that runs', ['version']);
    info.set({ version: packageVersion() }, 1);
  }

  /** The content type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  operationEnded(...[op, code]: Parameters<Meters['operationEnded']>): void {
    this.#operations.inc({ op, code });
  }

  upgradeRefused(code: string): void {
    this.#refusals.inc({ code });
  }

  dispatched(answered: boolean, seconds: number): void {
    this.#dispatches.observe({ answered: String(answered) }, seconds);
  }

  prepared(allowed: boolean, seconds: number): void {
    this.#prepares.observe({ allowed: String(allowed) }, seconds);
  }

  requestServed({ method, route, status, seconds }: Parameters<Meters['requestServed']>[0]): void {
    this.#requests.observe({ method, route, status }, seconds);
  }

  /** Adds what is looked up when somebody asks. */
  watch({ core, sessions, draining, certificate }: MetricSources): void {
    const ready = this.#gauge('ready', '1: it can do its work');
    const expiry = this.#gauge('key_set_expires_timestamp_seconds', 'When the key set ends');
    // Without one there is nothing that could be taken for a certificate of 1970.
    const ownExpiry =
      certificate &&
      this.#gauge('certificate_expiry_timestamp_seconds', 'When its TLS certificate ends');
    const open = this.#gauge('sessions', 'Connections of agents', ['directory', 'state']);
    const pending = this.#gauge('operations_pending', 'Submitted, no outcome yet', ['directory']);
    const latency = this.#gauge('database_ping_seconds', 'How long the database took to answer');
    this.#onScrape = async () => {
      expiry.set(core.keys.keySet.expiresAt / 1000);
      if (certificate !== undefined) ownExpiry?.set(certificate.expiresAt / 1000);
      open.reset();
      for (const { directory, state } of sessions.census()) open.inc({ directory, state });
      const startedAt = core.clock.monotonic();
      const isReady = (await readiness(core, draining)) === undefined;
      latency.set((core.clock.monotonic() - startedAt) / 1000);
      ready.set(isReady ? 1 : 0);
      pending.reset();
      // A database that does not answer is told by `ready`; what it holds is not known then.
      if (!isReady) return;
      const counts = await core.store.operations.countPending();
      for (const { id } of await core.store.directories.list()) {
        pending.set({ directory: id }, counts.get(id) ?? 0);
      }
    };
  }

  /** All of them in the text format of Prometheus. Rejects with `StoreError`. */
  async text(): Promise<string> {
    await this.#onScrape();
    return this.#registry.metrics();
  }

  #onScrape: () => Promise<void> = () => Promise.resolve();

  #counter<T extends string>(name: string, help: string, labels: readonly T[]): Counter<T> {
    return new Counter({ ...this.#metric(name, help), labelNames: [...labels] });
  }

  #gauge<T extends string>(name: string, help: string, labels: readonly T[] = []): Gauge<T> {
    return new Gauge({ ...this.#metric(name, help), labelNames: [...labels] });
  }

  #histogram<T extends string>(name: string, help: string, labels: readonly T[]): Histogram<T> {
    return new Histogram({
      ...this.#metric(name, help),
      labelNames: [...labels],
      buckets: BUCKETS,
    });
  }

  #metric(name: string, help: string): { name: string; help: string; registers: [Registry] } {
    return { name: PREFIX + name, help, registers: [this.#registry] };
  }
}
