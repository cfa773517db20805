import type { EffectivePolicy } from '../../protocol/account.ts';
import type { Clock } from '../../support/clock.ts';
import type { ControllerClocks, RunningClock } from './controller-clocks.ts';
import { Expiring } from './expiring.ts';
import {
  readCurrentTime,
  readDomain,
  readDomainNames,
  readFineGrainedPolicy,
  readInvocationId,
  readProfile,
  type Asking,
  type DomainFacts,
} from './queries.ts';
import type { ControllerProfile } from './root-dse.ts';

const PROFILE_AGE_MS = 10 * 60_000;
const POLICY_AGE_MS = 60_000;
const CLOCK_AGE_MS = 10_000;

/** What one controller said that may be remembered for a while. Everything rejects as its query does. */
export class ControllerFacts {
  readonly #clock: Clock;
  readonly #profile: Expiring<ControllerProfile>;
  readonly #invocationId: Expiring<string | undefined>;
  readonly #currentTime: Expiring<RunningClock>;
  readonly #domain: Expiring<DomainFacts>;
  readonly #domainNames: Expiring<readonly string[]>;
  readonly #policies = new Map<string, Expiring<EffectivePolicy>>();
  #readOnly = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#profile = new Expiring(PROFILE_AGE_MS, clock);
    this.#invocationId = new Expiring(PROFILE_AGE_MS, clock);
    this.#currentTime = new Expiring(CLOCK_AGE_MS, clock);
    this.#domain = new Expiring(POLICY_AGE_MS, clock);
    this.#domainNames = new Expiring(PROFILE_AGE_MS, clock);
  }

  /** What it last said of that; a failure does not change it. */
  get readOnly(): boolean {
    return this.#readOnly;
  }

  profile(asking: Asking): Promise<ControllerProfile> {
    return this.#profile.get(() => this.profileNow(asking));
  }

  async profileNow(asking: Asking): Promise<ControllerProfile> {
    const profile = await readProfile(asking);
    this.#readOnly = profile.readOnly;
    return profile;
  }

  invocationId(asking: Asking, profile: ControllerProfile): Promise<string | undefined> {
    return this.#invocationId.get(() => readInvocationId(asking, profile));
  }

  /** What the controller's clock says now: read a few seconds ago at most, and carried on by ours. */
  currentTime(asking: Asking): Promise<RunningClock> {
    return this.#currentTime.get(async () => {
      const sentAt = this.#clock.monotonic();
      const currentTimeMs = await readCurrentTime(asking);
      const readAt = this.#clock.monotonic();
      // It was said at any time between the question and the answer.
      const unsureMs = Math.ceil(readAt - sentAt);
      return () => ({
        ms: Math.round(currentTimeMs + this.#clock.monotonic() - readAt),
        unsureMs,
      });
    });
  }

  /** Who it is in replication metadata, and its clock, which `clocks` gets to know by that. */
  async identify(
    asking: Asking,
    profile: ControllerProfile,
    clocks: ControllerClocks,
  ): Promise<{ readonly invocationId: string | undefined; readonly currentTime: RunningClock }> {
    // One question at a time: behind Nagle's algorithm the answer to a second one waits for an ACK.
    const invocationId = await this.invocationId(asking, profile);
    const currentTime = await this.currentTime(asking);
    if (invocationId !== undefined) clocks.heard(invocationId, currentTime);
    return { invocationId, currentTime };
  }

  domain(asking: Asking, { domainDn }: ControllerProfile): Promise<DomainFacts> {
    return this.#domain.get(() => readDomain(asking, domainDn));
  }

  domainNames(asking: Asking, profile: ControllerProfile): Promise<readonly string[]> {
    return this.#domainNames.get(() => readDomainNames(asking, profile));
  }

  fineGrainedPolicy(asking: Asking, dn: string): Promise<EffectivePolicy> {
    const known = this.#policies.get(dn) ?? new Expiring(POLICY_AGE_MS, this.#clock);
    this.#policies.set(dn, known);
    return known.get(() => readFineGrainedPolicy(asking, dn));
  }

  /** After a failure it may come back as another one: restored, renamed, demoted. */
  forget(): void {
    for (const fact of [this.#profile, this.#invocationId, this.#currentTime]) fact.forget();
    for (const fact of [this.#domain, this.#domainNames]) fact.forget();
    this.#policies.clear();
  }
}
