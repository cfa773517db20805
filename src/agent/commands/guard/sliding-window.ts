/**
 * Counts events per key within a sliding window. An event has an id, and counts once however often
 * it is added. Times come from one monotonic clock, in the order of the calls.
 */
export class SlidingWindow {
  readonly #windowMs: number;
  readonly #events = new Map<string, Map<string, number>>();
  #sweptAt = -Infinity;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#events.size;
  }

  has(key: string, id: string, now: number): boolean {
    return this.#live(key, now)?.has(id) ?? false;
  }

  count(key: string, now: number): number {
    return this.#live(key, now)?.size ?? 0;
  }

  add(key: string, id: string, at: number): void {
    this.#sweep(at);
    let events = this.#live(key, at);
    if (events === undefined) this.#events.set(key, (events = new Map<string, number>()));
    if (!events.has(id)) events.set(id, at);
  }

  /** How long until there are fewer than `limit` events; 0 when there are now. */
  waitMs(key: string, limit: number, now: number): number {
    const events = this.#live(key, now);
    if (events === undefined || events.size < limit) return 0;
    const times = [...events.values()];
    const last = times[times.length - limit]; // once this one is gone there is room
    return last === undefined ? 0 : last + this.#windowMs - now;
  }

  forget(key: string): void {
    this.#events.delete(key);
  }

  #live(key: string, now: number): Map<string, number> | undefined {
    const events = this.#events.get(key);
    if (events === undefined) return undefined;
    for (const [id, at] of events) {
      if (now - at < this.#windowMs) break;
      events.delete(id);
    }
    if (events.size > 0) return events;
    this.#events.delete(key);
    return undefined;
  }

  /** Keys that nobody asks about again must not stay for ever. */
  #sweep(now: number): void {
    if (now - this.#sweptAt < this.#windowMs) return;
    this.#sweptAt = now;
    for (const key of [...this.#events.keys()]) this.#live(key, now);
  }
}
