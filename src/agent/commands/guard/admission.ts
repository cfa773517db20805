import { randomUUID } from 'node:crypto';
import type { EffectivePolicy } from '../../../protocol/account.ts';
import type { OutcomeCode } from '../../../protocol/codes.ts';
import type { CommandClaims, InspectClaims } from '../../../protocol/command.ts';
import type { GuardSummary } from '../../../protocol/status.ts';
import { timestamp } from '../../../protocol/shapes.ts';
import type { Clock } from '../../../support/clock.ts';
import { messageOf } from '../../../support/errors.ts';
import type { Logger } from '../../../support/logger.ts';
import { Breaker } from './breaker.ts';
import { breakerFile, readTrips, writeTrips, type Trip } from './breaker-file.ts';
import type { GuardSettings } from './guard-settings.ts';
import { Limits, type Caller, type EarlierOperation, type Operated } from './limits.ts';
import { LocalOrders, pausedInWords, type LocalPause } from './local-orders.ts';
import { Refusal } from '../outcomes.ts';

export interface AdmissionOptions {
  readonly stateFolder: string;
  readonly settings: GuardSettings;
  /** What the journal knows of the last hour. */
  readonly earlier: Iterable<EarlierOperation>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * How much is done, and whether anything is, whatever account it is about: limits, breaker, and
 * what a person at this machine has ordered. All of it is local; nothing that the service says
 * changes any of it.
 */
export class Admission implements AsyncDisposable {
  readonly #limits: Limits;
  readonly #breaker: Breaker;
  readonly #orders: LocalOrders;
  #onChange: () => void = () => undefined;
  #told = '';

  private constructor(parts: { limits: Limits; breaker: Breaker; orders: LocalOrders }) {
    this.#limits = parts.limits;
    this.#breaker = parts.breaker;
    this.#orders = parts.orders;
  }

  /** Goes on where the state folder and the journal stand. Never rejects for what they hold. */
  static async open(options: AdmissionOptions): Promise<Admission> {
    const { stateFolder, settings, clock, log } = options;
    const earlier = [...options.earlier];
    const limits = new Limits(settings.limits, clock);
    limits.restore(earlier);
    const orders = await LocalOrders.open(stateFolder, clock, log);
    const breaker = new Breaker({
      settings: settings.breaker,
      trips: await openTrips(options),
      save: (trips) => writeTrips(stateFolder, trips),
      uuid: randomUUID,
      clock,
      log,
    });
    const { resumed } = orders;
    breaker.reset(resumed?.trips ?? []);
    // What a person has looked into does not count towards the next trip.
    const since = resumed === undefined ? -Infinity : Date.parse(resumed.at);
    breaker.restore(earlier.filter(({ at }) => at > since));
    return new Admission({ limits, breaker, orders });
  }

  /** The pause ordered at this machine, as of the last look. */
  get pause(): LocalPause | undefined {
    return this.#orders.pause;
  }

  /** How the breaker stands, for the summary that the service is shown. */
  get breaker(): Pick<GuardSummary['breaker'], 'open' | 'stoppedActors'> & { trip?: Trip } {
    const { open: trip, stoppedActors } = this.#breaker;
    return { open: trip !== undefined, stoppedActors, ...(trip !== undefined && { trip }) };
  }

  /** From now on `listener` hears when a pause or the breaker begins or ends, as soon as it is noticed. */
  watch(listener: () => void): void {
    this.#onChange = listener;
    this.#told = this.#state;
  }

  /** Looks what is ordered at this machine now. Never rejects. */
  async refresh(): Promise<void> {
    await this.#orders.refresh();
    this.#breaker.reset(this.#orders.resumed?.trips ?? []);
    this.#tell();
  }

  /** Why nothing of this actor is taken just now, as of the last look. */
  obstacle(actor: string): 'PAUSED' | 'BREAKER_OPEN' | undefined {
    if (this.#orders.pause !== undefined) return 'PAUSED';
    return this.#breaker.stops(actor) ? 'BREAKER_OPEN' : undefined;
  }

  /** What a refusal for this obstacle says: a pause of this machine is ended here only. */
  detailsOf(obstacle: OutcomeCode): { readonly message?: string; readonly action?: string } {
    const { pause } = this;
    return obstacle === 'PAUSED' && pause !== undefined ? pausedInWords(pause) : {};
  }

  /** Takes an operation up: from now on it counts, once. Throws `Refusal`. */
  take(claims: CommandClaims): void {
    this.#refuseObstacle(claims.actor);
    const operated = toOperated(claims);
    this.#limits.take(operated);
    this.#breaker.taken(operated.cmd, operated.actor);
    this.#tell();
    this.#refuseObstacle(claims.actor);
  }

  /** Takes a question about an account. Throws `Refusal`. */
  takeInspection(claims: InspectClaims): void {
    this.#refuseObstacle(claims.actor);
    this.#limits.takeInspection(claims, claims.jti);
  }

  /** Throws the refusal that such an operation on this account would meet if it came now. */
  checkAccount({ op }: Pick<Operated, 'op'>, account: LimitedAccount): void {
    this.#limits.checkAccount(account.objectGuid);
    if (op === 'change') this.#limits.checkChange(account.objectGuid, account.policy);
  }

  /** Throws unless another wrong old password on this account can be borne. */
  checkChange(account: LimitedAccount): void {
    this.#limits.checkChange(account.objectGuid, account.policy);
  }

  /** Hears that the answer to a write was lost: an old password may have been wrong. */
  unheard(claims: CommandClaims): void {
    this.#limits.unheard(toOperated(claims));
  }

  /** Hears what became of an operation. */
  ended(claims: CommandClaims, code: OutcomeCode): void {
    this.#limits.ended(toOperated(claims), code);
    this.#breaker.ended(claims.cmd, code);
    this.#tell();
  }

  /** Resolves once the breaker's state is on the disk. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#breaker.saved();
  }

  get #state(): string {
    return JSON.stringify([this.pause, this.breaker]);
  }

  #tell(): void {
    const state = this.#state;
    if (state === this.#told) return;
    this.#told = state;
    this.#onChange();
  }

  #refuseObstacle(actor: Caller['actor']): void {
    const obstacle = this.obstacle(actor);
    if (obstacle !== undefined) throw new Refusal(obstacle, this.detailsOf(obstacle));
  }
}

interface LimitedAccount {
  readonly objectGuid: string;
  readonly policy: EffectivePolicy;
}

function toOperated({ cmd, op, by, actor, account }: CommandClaims): Operated {
  return { cmd, op, by, actor, objectGuid: account.objectGuid };
}

/**
 * What was open when the agent stopped. What cannot be read may have been anything: then everything
 * stays stopped until a person has looked.
 */
async function openTrips({ stateFolder, clock, log }: AdmissionOptions): Promise<readonly Trip[]> {
  const read = await readTrips(stateFolder);
  if (read !== 'damaged') return read;
  const trip = { id: randomUUID(), at: timestamp(clock.now()), count: 0 };
  log.error('breaker.tripped', {
    trip: trip.id,
    reason: `${breakerFile(stateFolder)} cannot be read`,
    action: 'look who damaged it, then run passback resume --breaker',
  });
  await writeTrips(stateFolder, [trip]).catch((error: unknown) => {
    log.error('breaker.not_kept', { reason: messageOf(error) });
  });
  return [trip];
}
