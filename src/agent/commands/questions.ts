import { CLOCK_TOLERANCE_S, type InspectClaims } from '../../protocol/command.ts';
import type { Clock } from '../../support/clock.ts';
import { Refusal } from './outcomes.ts';

/** As many questions as are looked into at once. */
const MAX_IN_FLIGHT = 64;

/** As many as are remembered until they expire: 500 a second over the life of a token. */
const MAX_REMEMBERED = 65_536;

/** Which questions were asked: each is answered once, and only so many at a time. */
export class Questions {
  readonly #clock: Clock;
  /** When each expires, in epoch ms; the oldest first. */
  readonly #asked = new Map<string, number>();
  #inFlight = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False for a question that was asked before. */
  isNew({ jti }: InspectClaims): boolean {
    this.#forgetExpired();
    return !this.#asked.has(jti);
  }

  /** Takes a new question, until disposed. Throws `Refusal` (`BUSY`) when there are too many. */
  take({ jti, exp }: InspectClaims): Disposable {
    if (this.#inFlight >= MAX_IN_FLIGHT || this.#asked.size >= MAX_REMEMBERED) {
      throw new Refusal('BUSY');
    }
    this.#asked.set(jti, (exp + CLOCK_TOLERANCE_S) * 1000);
    this.#inFlight += 1;
    return {
      [Symbol.dispose]: () => {
        this.#inFlight -= 1;
      },
    };
  }

  /** They come nearly in the order in which they expire: one that lives longer may hold others back. */
  #forgetExpired(): void {
    const now = this.#clock.now();
    for (const [jti, expiresMs] of this.#asked) {
      if (expiresMs > now) return;
      this.#asked.delete(jti);
    }
  }
}
