import type { Standing as Told } from '../protocol/messages.ts';
import { timestamp } from '../protocol/shapes.ts';
import type { Clock } from '../support/clock.ts';
import { ClockSkew } from './health/clock-skew.ts';
import type { Trust } from './identity/identity.ts';

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 30 * DAY_MS;

/** Why the agent does less than it could because of how it stands with the service. */
export interface StandingReasons {
  /** Nothing can be carried out. */
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
}

/** What the service has said of this agent last, read against both clocks. */
export class Standing {
  readonly #trust: Pick<Trust, 'number' | 'expiresAt'>;
  readonly #clock: Clock;
  readonly #skew = new ClockSkew();
  #approved: boolean | undefined;
  /** The service's clock, carried on by the one of ours that nobody sets. */
  #heard: { readonly serverTime: number; readonly monotonic: number } | undefined;

  constructor(trust: Pick<Trust, 'number' | 'expiresAt'>, clock: Clock) {
    this.#trust = trust;
    this.#clock = clock;
  }

  /** Takes what a welcome or a renewal says; true when the approval is news. */
  take({ serverTime, approved }: Pick<Told, 'serverTime' | 'approved'>): boolean {
    this.#heard = { serverTime: Date.parse(serverTime), monotonic: this.#clock.monotonic() };
    const isNews = this.#approved !== approved;
    this.#approved = approved;
    return isNews;
  }

  /** How far the service's clock is ahead of this machine's; undefined before it was heard of. */
  get skewMs(): number | undefined {
    if (this.#heard === undefined) return undefined;
    return this.#serverTime(this.#heard) - this.#clock.now();
  }

  get approved(): boolean | undefined {
    return this.#approved;
  }

  get reasons(): StandingReasons {
    const expiry = this.#expiry();
    const warnings = [...this.#waiting(), ...this.#skewWarnings()];
    return this.#trust.expiresAt <= this.#clock.now()
      ? { failures: expiry, warnings }
      : { failures: [], warnings: [...warnings, ...expiry] };
  }

  #waiting(): string[] {
    return this.#approved === false
      ? ['waiting for approval: compare the fingerprint and run `passback-cloud agent approve`']
      : [];
  }

  #skewWarnings(): string[] {
    if (this.#heard === undefined) return [];
    this.#skew.take({ here: this.#clock.now(), there: this.#serverTime(this.#heard) });
    const words = this.#skew.inWords('the service');
    return words === undefined
      ? []
      : [`${words}; commands are refused until whichever is wrong is set (NTP)`];
  }

  #expiry(): string[] {
    const { number, expiresAt } = this.#trust;
    const leftMs = expiresAt - this.#clock.now();
    if (leftMs > WARN_BEFORE_MS) return [];
    const when =
      leftMs > 0
        ? `expires in ${Math.floor(leftMs / DAY_MS)} days`
        : `has expired on ${timestamp(expiresAt)}, so that no command is believed`;
    return [`key set ${number} of the service ${when}: run \`passback-cloud keys rotate\``];
  }

  #serverTime(heard: { readonly serverTime: number; readonly monotonic: number }): number {
    return heard.serverTime + (this.#clock.monotonic() - heard.monotonic);
  }
}
