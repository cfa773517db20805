import type { ControllerHealth, StatusReport } from '../../protocol/status.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type { Directory } from '../directory/directory.ts';
import { buildReport, isUsable, type StatusFacts } from './status.ts';

const PROBE_WITHIN_MS = 15_000;

/** While a controller cannot be used, somebody may be waiting to see that it is back. */
const PROBE_AGAIN_MS = 5_000;

export interface HealthOptions {
  readonly directory: Directory;
  /** Everything but the controllers, read when a report is made. */
  readonly facts: () => Omit<StatusFacts, 'controllers'>;
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
  #told = '';
  #probingAgain = false;
  #hurrying = false;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get report(): StatusReport {
    return buildReport({ ...this.#options.facts(), controllers: this.#controllers });
  }

  /**
   * Asks every controller how it is, then looks whether anything has changed; soon again by itself
   * while one cannot be used. Never rejects.
   */
  async probe(): Promise<void> {
    const { directory, signal } = this.#options;
    this.#controllers = await withDeadline(PROBE_WITHIN_MS, signal, (within) =>
      directory.check(within),
    );
    this.look();
    if (!this.#controllers.every(isUsable)) void this.#probeAgain();
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
    const { report } = this;
    const { state, reasons } = report;
    const now = [state, ...reasons].join('\n');
    if (now === this.#told) return;
    this.#told = now;
    log[state === 'running' ? 'info' : 'warn']('status.changed', { state, reasons });
    onChange(report);
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
