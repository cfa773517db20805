import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Outcome } from '../../protocol/outcome.ts';
import type { StatusReport } from '../../protocol/status.ts';
import type { LinkReport } from '../link/link-report.ts';
import { isUsable } from './status.ts';

/** What the gauges show, read when somebody asks. */
export interface MetricFacts {
  readonly report: StatusReport;
  readonly link: LinkReport;
  readonly journalBytes: number;
  readonly ready: boolean;
}

const STATES = ['running', 'paused', 'degraded', 'down'] as const;

/** The agent's numbers, in a registry of its own. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #commandSeconds: Histogram<'code'>;
  readonly #sessions: Counter;
  readonly #show: (facts: MetricFacts) => void;
  readonly #facts: () => MetricFacts;

  constructor(facts: () => MetricFacts, version: string) {
    this.#facts = facts;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({
      ...{ registers, name: 'passback_build_info', help: 'Always 1; the labels say what runs.' },
      labelNames: ['version', 'node'],
    }).set({ version, node: process.version }, 1);
    this.#commandSeconds = new Histogram({
      ...{ registers, name: 'passback_command_seconds' },
      help: 'Time from taking a command to its outcome, by outcome code.',
      labelNames: ['code'],
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 8, 15, 30],
    });
    this.#sessions = new Counter({
      ...{ registers, name: 'passback_link_sessions_total' },
      help: 'Sessions with the service since the start: each one after the first is a reconnect.',
    });
    const shown = [showLink, showDirectory, showState].map((make) => make(this.#registry));
    this.#show = (now) => {
      for (const show of shown) show(now);
    };
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  /** A command has ended. */
  ended({ code, tookMs }: Pick<Outcome, 'code' | 'tookMs'>): void {
    this.#commandSeconds.observe({ code }, tookMs / 1000);
  }

  sessionBegan(): void {
    this.#sessions.inc();
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    this.#show(this.#facts());
    return this.#registry.metrics();
  }
}

type Show = (facts: MetricFacts) => void;

function showLink(register: Registry): Show {
  const registers = [register];
  const up = new Gauge({
    ...{
      registers,
      name: 'passback_link_up',
      help: '1 while there is a session with the service.',
    },
  });
  const since = new Gauge({
    ...{ registers, name: 'passback_link_session_start_timestamp_seconds' },
    help: 'When the live session began; 0 without one.',
  });
  return ({ link }) => {
    up.set(link.state === 'ready' ? 1 : 0);
    since.set((link.connectedSince ?? 0) / 1000);
  };
}

function showDirectory(register: Registry): Show {
  const perController = (name: string, help: string): Gauge<'controller'> =>
    new Gauge({ registers: [register], name, help, labelNames: ['controller'] });
  const up = perController('passback_directory_up', '1 for a controller that can be used.');
  const latency = perController(
    'passback_directory_probe_seconds',
    'How long a controller took to answer the last probe.',
  );
  const expiry = perController(
    'passback_directory_certificate_expiry_timestamp_seconds',
    'When the certificate of a controller expires.',
  );
  const offset = perController(
    'passback_directory_clock_offset_seconds',
    'How far the clock of a controller is ahead of this machine.',
  );
  return ({ report }) => {
    for (const gauge of [up, latency, expiry, offset]) gauge.reset();
    for (const controller of report.controllers) {
      const { name, latencyMs, certificateExpiresAt, clockOffsetMs } = controller;
      up.set({ controller: name }, isUsable(controller) ? 1 : 0);
      if (latencyMs !== undefined) latency.set({ controller: name }, latencyMs / 1000);
      if (clockOffsetMs !== undefined) offset.set({ controller: name }, clockOffsetMs / 1000);
      if (certificateExpiresAt !== undefined) {
        expiry.set({ controller: name }, Date.parse(certificateExpiresAt) / 1000);
      }
    }
  };
}

function showState(register: Registry): Show {
  const registers = [register];
  const gauge = (name: string, help: string): Gauge => new Gauge({ registers, name, help });
  const state = new Gauge({
    ...{ registers, name: 'passback_writeback_state', labelNames: ['state'] },
    help: '1 for the state that writeback is in.',
  });
  const commands = new Counter({
    ...{ registers, name: 'passback_commands_total', labelNames: ['code'] },
    help: 'Commands that have ended since the start, by outcome code.',
  });
  const ready = gauge('passback_ready', '1 when an operation would be carried out.');
  const bytes = gauge('passback_journal_bytes', 'Size of the journal.');
  const open = gauge('passback_journal_open_operations', 'Writes whose outcome is not known yet.');
  const sealing = gauge(
    'passback_sealing_key_created_timestamp_seconds',
    'When the current sealing key was made; it is replaced daily.',
  );
  const password = gauge(
    'passback_service_account_password_expiry_timestamp_seconds',
    'When the password of the service account expires; 0: never, or not known.',
  );
  return ({ report, journalBytes, ready: isReady }) => {
    for (const one of STATES) state.set({ state: one }, one === report.state ? 1 : 0);
    commands.reset();
    for (const [code, count] of Object.entries(report.counters)) commands.inc({ code }, count);
    ready.set(isReady ? 1 : 0);
    bytes.set(journalBytes);
    open.set(report.journal.open);
    sealing.set(Date.parse(report.keys.sealingSince) / 1000);
    password.set(Date.parse(report.passwordExpiresAt ?? new Date(0).toISOString()) / 1000);
  };
}
