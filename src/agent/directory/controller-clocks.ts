import type { Clock } from '../../support/clock.ts';
import type { ClockReading } from './directory.ts';

/** Longer than an operation lives; a clock that is set in that time is set by little. */
const KEPT_MS = 10 * 60_000;

/** A clock that was read some time ago, carried on to now. */
export type RunningClock = () => ClockReading;

interface Heard {
  readonly running: RunningClock;
  readonly until: number;
}

/**
 * The clocks of a domain's controllers, by the invocation id that each signs its writes with in
 * replication metadata: what was written on one of them bears its time wherever it is read.
 */
export class ControllerClocks {
  readonly #clock: Clock;
  readonly #heard = new Map<string, Heard>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  heard(invocationId: string, running: RunningClock): void {
    this.#heard.set(invocationId, { running, until: this.#clock.monotonic() + KEPT_MS });
  }

  /** What that clock says now; undefined when it was not heard lately. */
  of(invocationId: string): ClockReading | undefined {
    const heard = this.#heard.get(invocationId);
    if (heard === undefined || heard.until <= this.#clock.monotonic()) return undefined;
    return heard.running();
  }
}
