/** Clocks of two machines drift apart by some 50 ms in a quarter of an hour: what is older says too much. */
const WINDOW_MS = 60_000;

interface Reading {
  readonly at: number;
  readonly offsetMs: number;
}

/**
 * How far the other nodes' monotonic clocks are, at the least. What a node says of its clock is older
 * when it is read than when it was said, by an unknown time: of several readings, the one that puts the
 * clock ahead most was on its way the shortest, and is still not ahead of the clock itself.
 */
export class NodeClocks {
  readonly #readings = new Map<string, Reading[]>();

  /** Takes what a node has said, read when this node's own monotonic clock was at `now`. */
  note(node: string, monotonicMs: number, now: number): void {
    const kept = (this.#readings.get(node) ?? []).filter(({ at }) => now - at <= WINDOW_MS);
    kept.push({ at: now, offsetMs: monotonicMs - now });
    this.#readings.set(node, kept);
  }

  /** That clock at `now` of this one; undefined for a node that has said nothing lately. */
  read(node: string, now: number): number | undefined {
    const fresh = (this.#readings.get(node) ?? []).filter(({ at }) => now - at <= WINDOW_MS);
    if (fresh.length === 0) return undefined;
    return now + Math.max(...fresh.map(({ offsetMs }) => offsetMs));
  }

  keep(nodes: ReadonlySet<string>): void {
    for (const node of this.#readings.keys()) if (!nodes.has(node)) this.#readings.delete(node);
  }
}
