export const BEAT_MS = 2_000;

/** A node that has given no sign of life for this long is taken for dead. */
export const LEASE_MS = 10_000;

/** A gap between two signs of life of this node's own that says that the database, or this process, was away. */
const GAP_MS = 3 * BEAT_MS;

/**
 * Whether this node may judge others by their signs of life. After the database was away for everybody,
 * or this process stood still, theirs are late, too, without anything being wrong with them.
 */
export class Judgement {
  #steadySince: number;
  #lastAt: number;

  constructor(now: number) {
    this.#steadySince = now;
    this.#lastAt = now;
  }

  /** This node's own sign of life has been taken. All times are monotonic. */
  beaten(now: number): void {
    if (now - this.#lastAt > GAP_MS) this.#steadySince = now;
    this.#lastAt = now;
  }

  mayJudge(now: number): boolean {
    return now - this.#lastAt <= GAP_MS && now - this.#steadySince >= LEASE_MS;
  }
}
