import type { OutcomeCode } from '../../../protocol/codes.ts';
import { timestamp } from '../../../protocol/shapes.ts';
import type { Clock } from '../../../support/clock.ts';
import { messageOf } from '../../../support/errors.ts';
import type { Logger } from '../../../support/logger.ts';
import type { Trip } from './breaker-file.ts';
import type { BreakerSettings } from './guard-settings.ts';
import type { EarlierOperation } from './limits.ts';
import { SlidingWindow } from './sliding-window.ts';

export interface BreakerOptions {
  readonly settings: BreakerSettings;
  /** What was open when the agent stopped. */
  readonly trips: readonly Trip[];
  /** Makes the trips durable. */
  readonly save: (trips: readonly Trip[]) => Promise<void>;
  readonly uuid: () => string;
  readonly clock: Clock;
  readonly log: Logger;
}

const EVERYTHING = '';
const MINUTE_MS = 60_000;

/**
 * Stops one actor with one operation too many in a short time, and everything after too many
 * successful writes, until a person at this machine resumes it. One actor is stopped first, so
 * that refused attempts of one never stop the others. What was taken up before it opened and has not
 * begun to write is refused, too.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #windowMs: number;
  readonly #actors: SlidingWindow;
  readonly #writes: SlidingWindow;
  /** By actor; everything under the empty one, which no actor has. */
  readonly #trips: Map<string, Trip>;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#windowMs = options.settings.windowMinutes * MINUTE_MS;
    this.#actors = new SlidingWindow(this.#windowMs);
    this.#writes = new SlidingWindow(this.#windowMs);
    this.#trips = new Map(options.trips.map((trip) => [trip.actor ?? EVERYTHING, trip]));
  }

  /** Why everything is stopped; undefined while it is not. */
  get open(): Trip | undefined {
    return this.#trips.get(EVERYTHING);
  }

  get stoppedActors(): number {
    return this.#trips.size - (this.open === undefined ? 0 : 1);
  }

  stops(actor: string): boolean {
    return this.#trips.has(EVERYTHING) || this.#trips.has(actor);
  }

  /** Counts what was done before a restart; a trip that the crash kept from the disk comes again. */
  restore(earlier: Iterable<EarlierOperation>): void {
    const { clock } = this.#options;
    for (const { cmd, actor, code, at: wall } of earlier) {
      const age = Math.max(0, clock.now() - wall);
      if (age >= this.#windowMs) continue;
      const at = clock.monotonic() - age;
      this.#taken(cmd, actor, at);
      if (code !== undefined) this.#ended(cmd, code, at);
    }
  }

  /** Counts an operation before it is taken up; a repeat of it does not count again. */
  taken(cmd: string, actor: string): void {
    this.#taken(cmd, actor, this.#options.clock.monotonic());
  }

  /** Counts a successful write. */
  ended(cmd: string, code: OutcomeCode): void {
    this.#ended(cmd, code, this.#options.clock.monotonic());
  }

  /** Closes the named trips, and begins to count anew for each. */
  reset(ids: readonly string[]): void {
    const closed = [...this.#trips].filter(([, { id }]) => ids.includes(id));
    if (closed.length === 0) return;
    for (const [actor, { id, at }] of closed) {
      this.#trips.delete(actor);
      if (actor === EVERYTHING) this.#writes.forget(EVERYTHING);
      else this.#actors.forget(actor);
      const whose = actor === EVERYTHING ? {} : { actor };
      this.#options.log.info('breaker.reset', { trip: id, since: at, ...whose });
    }
    this.#save();
  }

  /** Resolves once what was open or closed last is on the disk, or was logged as not kept. */
  saved(): Promise<void> {
    return this.#saving;
  }

  #taken(cmd: string, actor: string, at: number): void {
    this.#actors.add(actor, cmd, at);
    const count = this.#actors.count(actor, at);
    if (count > this.#options.settings.perActor) this.#trip(count, actor);
  }

  #ended(cmd: string, code: OutcomeCode, at: number): void {
    if (code !== 'APPLIED') return;
    this.#writes.add(EVERYTHING, cmd, at);
    const count = this.#writes.count(EVERYTHING, at);
    if (count >= this.#options.settings.overall) this.#trip(count);
  }

  #trip(count: number, actor?: string): void {
    if (this.#trips.has(actor ?? EVERYTHING)) return;
    const { clock, uuid, log, settings } = this.#options;
    const whose = actor === undefined ? {} : { actor };
    const trip = { id: uuid(), at: timestamp(clock.now()), count, ...whose };
    this.#trips.set(actor ?? EVERYTHING, trip);
    log.error('breaker.tripped', {
      trip: trip.id,
      count,
      windowMinutes: settings.windowMinutes,
      ...whose,
      action:
        actor === undefined
          ? 'everything is refused: find out who caused these writes, then run passback resume --breaker'
          : 'this actor is refused: find out what it is doing, then run passback resume --breaker',
    });
    this.#save();
  }

  /** In order, because the file is replaced whole. What is not kept still holds until a restart. */
  #save(): void {
    const { save, log } = this.#options;
    this.#saving = this.#saving
      .then(() => save([...this.#trips.values()]))
      .catch((error: unknown) => {
        log.error('breaker.not_kept', { reason: messageOf(error) });
      });
  }
}
