import type { ControllerHealth, StatusReport } from '../../protocol/status.ts';
import type { Logger } from '../../support/logger.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type { Directory } from '../directory/directory.ts';
import { buildReport, type StatusFacts } from './status.ts';

const PROBE_WITHIN_MS = 15_000;

export interface HealthOptions {
  readonly directory: Directory;
  /** Everything but the controllers, read when a report is made. */
  readonly facts: () => Omit<StatusFacts, 'controllers'>;
  /** Hears of each change of state or reasons at once. Must not throw. */
  readonly onChange: (report: StatusReport) => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How the agent is, as of now. */
export class Health {
  readonly #options: HealthOptions;
  #controllers: readonly ControllerHealth[] | undefined;
  #told = '';

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get report(): StatusReport {
    return buildReport({ ...this.#options.facts(), controllers: this.#controllers });
  }

  /** Asks every controller how it is, then looks whether anything has changed. Never rejects. */
  async probe(): Promise<void> {
    const { directory, signal } = this.#options;
    this.#controllers = await withDeadline(PROBE_WITHIN_MS, signal, (within) =>
      directory.check(within),
    );
    this.look();
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
}
