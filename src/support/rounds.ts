import type { Clock } from './clock.ts';

/**
 * What has to come round again and again, and within how many milliseconds. Far over what each may take
 * while nothing is wrong with the process itself: a database that is away fails every statement in 20 s.
 */
export const ROUNDS = {
  'the look at the sessions': 15_000,
  'the look for new keys': 5 * 60_000,
  'the look for a new certificate': 5 * 60_000,
  'the look at timed pauses': 5 * 60_000,
  'the sweep': 10 * 60_000,
  'the sign of life to other nodes': 5 * 60_000,
  'the sweep for other nodes': 10 * 60_000,
  'a step of an operation': 10 * 60_000,
} as const satisfies Record<string, number>;

export type RoundName = keyof typeof ROUNDS;

/** Longer than anything leaves the event loop alone: the process itself was not running. */
const STOPPED_MS = 15_000;

/** Something that comes round; disposing of it ends it. */
export interface Round extends Disposable {
  /** It has come round, whatever came of it. */
  turned(): void;
  /** It has, and will wait on purpose for this long at the most. */
  waits(ms: number): void;
}

/**
 * What shows that the process gets on. A round that fails and comes again is none of it: only one that
 * hangs is, because a restart cures nothing but that.
 */
export class Rounds {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** When each has to have come round, on the monotonic clock. */
  readonly #due = new Map<Round, { readonly name: RoundName; at: number }>();
  #seenAt: number;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#seenAt = clock.monotonic();
  }

  begin(name: RoundName): Round {
    const within = (ms: number): number => this.#now() + ms + ROUNDS[name];
    const due = { name, at: within(0) };
    const round: Round = {
      turned: () => {
        due.at = within(0);
      },
      waits: (ms) => {
        due.at = within(ms);
      },
      [Symbol.dispose]: () => {
        this.#due.delete(round);
      },
    };
    this.#due.set(round, due);
    return round;
  }

  /** What does not come round any more, in words; of several with one name the worst. */
  get stuck(): readonly string[] {
    const now = this.#now();
    const late = new Map<RoundName, number>();
    for (const { name, at } of this.#due.values()) {
      if (at < now) late.set(name, Math.max(late.get(name) ?? 0, now - at));
    }
    return [...late].map(([name, ms]) => {
      const seconds = Math.round((ms + ROUNDS[name]) / 1000);
      return `${name} has not come round for ${seconds} s`;
    });
  }

  /** A machine that was asleep has to be given the time to wake up. */
  #now(): number {
    const now = this.#clock.monotonic();
    const goneMs = now - this.#seenAt;
    this.#seenAt = now;
    if (goneMs > STOPPED_MS) for (const due of this.#due.values()) due.at += goneMs;
    return now;
  }
}
