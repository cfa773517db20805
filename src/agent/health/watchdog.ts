import type { Clock } from '../../support/clock.ts';
import type { LinkReport } from '../link/link-report.ts';

/** What shows that the process gets on; moments are on the monotonic clock. */
export interface Progress {
  readonly now: number;
  /** When the event loop last had a turn for nothing in particular. */
  readonly turnedAt: number;
  /** When the controllers were last asked, to the end, whatever they answered. */
  readonly probedAt: number;
  /** When the link last heard from the service or changed its state, or is to try again. */
  readonly link: { readonly state: LinkReport['state']; readonly movedAt: number };
  /** When the oldest command that is still worked on was taken; undefined: there is none. */
  readonly oldestCommandAt: number | undefined;
}

export type Liveness =
  { readonly alive: true } | { readonly alive: false; readonly stuck: readonly string[] };

/** Far over what each may take when nothing is wrong with the process itself. */
const LIMITS = {
  turnMs: 15_000,
  /** Each minute, 15 s at the most. */
  probeMs: 5 * 60_000,
  /** A dial and a greeting take seconds, a heartbeat comes each 25 s. */
  linkMs: 2 * 60_000,
  /** From taking it to knowing that nothing can be known yet; others may be in front of it. */
  commandMs: 10 * 60_000,
} as const;

/** Whether the process makes progress. What the network, the service or a directory does is none of it. */
export function judge({ now, turnedAt, probedAt, link, oldestCommandAt }: Progress): Liveness {
  const late = (since: number, limitMs: number, what: string): readonly string[] => {
    const ms = now - since;
    return ms > limitMs ? [`${what} for ${Math.round(ms / 1000)} s`] : [];
  };
  const stuck = [
    ...late(turnedAt, LIMITS.turnMs, 'the event loop has not turned'),
    ...late(probedAt, LIMITS.probeMs, 'no probe of the domain controllers has ended'),
    ...late(
      link.state === 'closed' ? now : link.movedAt,
      LIMITS.linkMs,
      `the link is ${link.state} and has not moved`,
    ),
    ...late(oldestCommandAt ?? now, LIMITS.commandMs, 'a command has been worked on'),
  ];
  return stuck.length === 0 ? { alive: true } : { alive: false, stuck };
}

export interface WatchdogOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  /** When the oldest command that is still worked on was taken, on the monotonic clock. */
  readonly oldestCommandAt: () => number | undefined;
}

/** Is fed by what the process gets done, and judges it on demand. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  #turnedAt: number;
  #probedAt: number;
  /** In the future while the link waits for its next try. */
  #linkMovedAt: number;
  #linkState: LinkReport['state'] = 'idle';

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#turnedAt = this.#probedAt = this.#linkMovedAt = options.clock.monotonic();
  }

  /** The event loop has had a turn. */
  turned(): void {
    const now = this.#options.clock.monotonic();
    // A machine that was asleep has to be given the time to wake up.
    if (now - this.#turnedAt > LIMITS.turnMs) {
      this.#probedAt = Math.max(this.#probedAt, now);
      this.#linkMovedAt = Math.max(this.#linkMovedAt, now);
    }
    this.#turnedAt = now;
  }

  probed(): void {
    this.#probedAt = this.#options.clock.monotonic();
  }

  /** The link has changed its state. */
  linkMoved({ state, nextTryAt }: Pick<LinkReport, 'state' | 'nextTryAt'>): void {
    const { clock } = this.#options;
    const restMs = nextTryAt === undefined ? 0 : Math.max(0, nextTryAt - clock.now());
    this.#linkState = state;
    this.#linkMovedAt = clock.monotonic() + restMs;
  }

  /** The service has answered a ping. */
  heard(): void {
    this.#linkMovedAt = this.#options.clock.monotonic();
  }

  get liveness(): Liveness {
    const { clock, oldestCommandAt } = this.#options;
    return judge({
      now: clock.monotonic(),
      turnedAt: this.#turnedAt,
      probedAt: this.#probedAt,
      link: { state: this.#linkState, movedAt: this.#linkMovedAt },
      oldestCommandAt: oldestCommandAt(),
    });
  }
}
