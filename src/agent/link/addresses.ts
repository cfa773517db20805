/** How one try at an address ended, as far as the next tries go. */
export interface TryEnd {
  /** When it ended, in epoch milliseconds. */
  readonly at: number;
  readonly reason: string;
  /** Only a person can change it. */
  readonly refused: boolean;
  /** How long there was a session; 0: there was none. */
  readonly upMs: number;
  /** How long this address is to be left alone; 0: not at all. */
  readonly restMs: number;
}

/** The addresses of one service: which of them are asked, in which order, and which rest. */
export class Addresses {
  readonly #urls: readonly string[];
  /** Until when on the monotonic clock. */
  readonly #resting = new Map<string, number>();
  readonly #refusals = new Map<string, TryEnd>();
  #first = 0;

  /** `urls` are not empty, and in the order in which the admin wants them tried. */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** Whom to ask in this round, one after the other: who does not rest, or else who rests the shortest. */
  round(now: number): readonly string[] {
    const inOrder = [...this.#urls.slice(this.#first), ...this.#urls.slice(0, this.#first)];
    const awake = inOrder.filter((url) => this.#restOf(url, now) === 0);
    if (awake.length > 0) return awake;
    const byRest = inOrder.toSorted((a, b) => this.#restOf(a, now) - this.#restOf(b, now));
    return byRest.slice(0, 1);
  }

  /** Takes in how a try ended. The next round begins with an address whose session was healthy. */
  note(url: string, end: TryEnd, isHealthy: boolean, now: number): void {
    const { refused, restMs, upMs } = end;
    this.#resting.set(url, now + restMs);
    // Whoever was let in is not kept out by what others have said before.
    if (upMs > 0) this.#refusals.clear();
    if (refused) this.#refusals.set(url, end);
    else this.#refusals.delete(url);
    const index = this.#urls.indexOf(url);
    if (isHealthy) this.#first = index;
    // Who takes a session and drops it again may be the only one who does that.
    else if (upMs > 0) this.#first = (index + 1) % this.#urls.length;
  }

  /** How long until there is an address that does not rest; 0: there is one. */
  restMs(now: number): number {
    return Math.min(...this.#urls.map((url) => this.#restOf(url, now)));
  }

  /** What an address was refused with for good, while it has said nothing else and no session was had. */
  get refusal(): { readonly url: string; readonly end: TryEnd } | undefined {
    const [oldest] = this.#refusals;
    return oldest && { url: oldest[0], end: oldest[1] };
  }

  #restOf(url: string, now: number): number {
    return Math.max(0, (this.#resting.get(url) ?? 0) - now);
  }
}
