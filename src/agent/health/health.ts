import type { ControllerHealth, StatusReport } from '../../protocol/status.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import { DirectoryError, type Directory, type SelfTest } from '../directory/directory.ts';
import { ClockSkew } from './clock-skew.ts';
import { fitReport } from './fit-report.ts';
import { rightsOf } from './rights.ts';
import { buildReport, isUsable, type StatusFacts } from './status.ts';

const PROBE_WITHIN_MS = 15_000;

/** While a controller cannot be used, somebody may be waiting to see that it is back. */
const PROBE_AGAIN_MS = 5_000;

export interface HealthOptions {
  readonly directory: Directory;
  /** Below which the service account is to have its rights. */
  readonly baseDns: readonly string[];
  /** Everything but what the directory says, read when a report is made. */
  readonly facts: () => Omit<StatusFacts, 'controllers' | 'selfTest' | 'clocks'>;
  /** Hears of each change of state or reasons at once. Must not throw. */
  readonly onChange: (report: StatusReport) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How the agent is, as of now. */
export class Health {
  readonly #options: HealthOptions;
  #controllers: readonly ControllerHealth[] | undefined;
  #selfTest: SelfTest | undefined;
  readonly #skews = new Map<string, ClockSkew>();
  #told = '';
  #probes = 0;
  /** The number of the one whose findings count. */
  #newestProbe = 0;
  #probingAgain = false;
  #hurrying = false;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** All of it; a frame cannot carry more than `fitReport` leaves. */
  get report(): StatusReport {
    return buildReport({
      ...this.#options.facts(),
      controllers: this.#controllers,
      selfTest: this.#selfTest,
      clocks: this.#clocksInWords(),
    });
  }

  /**
   * Asks every controller how it is, then looks whether anything has changed; soon again by itself
   * while one cannot be used. Never rejects.
   */
  async probe(): Promise<void> {
    const { directory, signal } = this.#options;
    const number = (this.#probes += 1);
    const controllers = await withDeadline(PROBE_WITHIN_MS, signal, (within) =>
      directory.check(within),
    );
    // One that was begun later has ended before: it knows better.
    if (number < this.#newestProbe) return;
    this.#newestProbe = number;
    this.#controllers = controllers;
    this.#compareClocks(controllers);
    this.look();
    if (!controllers.every(isUsable)) void this.#probeAgain();
  }

  /** Looks what the service account may do. What was found holds until it is found otherwise. Never rejects. */
  async selfTest(): Promise<void> {
    const { directory, baseDns, signal, log } = this.#options;
    try {
      this.#selfTest = await withDeadline(PROBE_WITHIN_MS, signal, (within) =>
        directory.selfTest(baseDns, within),
      );
      this.look();
    } catch (error) {
      // Nobody answered: the probe says so, and rights do not change by that.
      if (!(error instanceof DirectoryError)) throw error;
      log.debug('directory.self_test_failed', { reason: error.message });
    }
  }

  /** The same, unless all was well the last time: then it comes with the calendar. Never rejects. */
  async selfTestAgain(): Promise<void> {
    const granted =
      this.#selfTest !== undefined &&
      Object.values(rightsOf(this.#selfTest)).every((standing) => standing === 'granted');
    if (!granted) await this.selfTest();
  }

  /**
   * Somebody has found a controller silent: asks at once, unless that is known or being found out.
   * Never rejects.
   */
  async hurry(): Promise<void> {
    if (this.#hurrying || this.#controllers?.every(isUsable) === false) return;
    this.#hurrying = true;
    await this.probe();
    this.#hurrying = false;
  }

  /** Tells of a change of state or reasons since the last time, once. */
  look(): void {
    const { onChange, log } = this.#options;
    const report = fitReport(this.report);
    const { state, reasons } = report;
    const now = [state, ...reasons].join('\n');
    if (now === this.#told) return;
    this.#told = now;
    log[state === 'running' ? 'info' : 'warn']('status.changed', { state, reasons });
    onChange(report);
  }

  #compareClocks(controllers: readonly ControllerHealth[]): void {
    const here = this.#options.clock.now();
    for (const { name, clockOffsetMs } of controllers) {
      if (clockOffsetMs === undefined) continue;
      const skew = this.#skews.get(name) ?? new ClockSkew();
      this.#skews.set(name, skew);
      skew.take({ here, there: here + clockOffsetMs });
    }
  }

  /** Of the controllers that could be asked. */
  #clocksInWords(): readonly string[] {
    return (this.#controllers ?? []).flatMap(({ name, clockOffsetMs }) => {
      const words = clockOffsetMs === undefined ? undefined : this.#skews.get(name)?.inWords(name);
      return words === undefined ? [] : [`${words}: let both follow the same time (NTP)`];
    });
  }

  async #probeAgain(): Promise<void> {
    if (this.#probingAgain) return;
    this.#probingAgain = true;
    const { clock, signal } = this.#options;
    await clock.sleep(PROBE_AGAIN_MS, signal);
    this.#probingAgain = false;
    if (!signal.aborted) await this.probe();
  }
}
