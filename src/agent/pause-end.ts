import type { Clock } from '../support/clock.ts';
import type { LocalPause } from './commands/guard/local-orders.ts';

/** A longer one is looked at in between: the wall clock may be set, and Node's timers end at 24 days. */
const LONGEST_SLEEP_MS = 3_600_000;

export interface PauseEndOptions {
  /** The pause that is ordered at this machine now. */
  readonly pause: () => LocalPause | undefined;
  /** Is called when its time is over, and in between. Must not reject. */
  readonly onOver: () => Promise<void>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Notices the end of a timed pause when it comes, not when somebody asks next. */
export class PauseEnd {
  readonly #options: PauseEndOptions;
  #waiting: { readonly until: string; readonly stop: AbortController } | undefined;

  constructor(options: PauseEndOptions) {
    this.#options = options;
    this.look();
  }

  /** To be called whenever the pause may be another one. */
  look(): void {
    const until = this.#options.pause()?.until;
    if (until === this.#waiting?.until) return;
    this.#waiting?.stop.abort();
    this.#waiting = undefined;
    if (until !== undefined) void this.#wait(until);
  }

  async #wait(until: string): Promise<void> {
    const { clock, signal, onOver } = this.#options;
    const waiting = { until, stop: new AbortController() };
    this.#waiting = waiting;
    const either = AbortSignal.any([signal, waiting.stop.signal]);
    const leftMs = Date.parse(until) - clock.now();
    await clock.sleep(Math.min(Math.max(0, leftMs), LONGEST_SLEEP_MS), either);
    if (either.aborted) return;
    this.#waiting = undefined;
    await onOver();
    this.look();
  }
}
