/** Far more connections than an agent makes in the life of a token. */
const PER_AGENT = 256;

/** Remembers which tokens of whom were used, until they could not be used any more anyway. */
export class ReplayCache {
  readonly #max: number;
  readonly #until = new Map<string, Map<string, number>>();

  /** `max` live tokens of one agent: whoever has its key can lock out that agent, and no other. */
  constructor(max = PER_AGENT) {
    this.#max = max;
  }

  /** True the first time an id is seen. False for a repeat, and while the agent has `max` live ones. */
  take(agent: string, id: string, { until, now }: { until: number; now: number }): boolean {
    const used = this.#until.get(agent) ?? new Map<string, number>();
    this.#until.set(agent, used);
    if ((used.get(id) ?? now) > now) return false;
    if (used.size >= this.#max) prune(used, now);
    if (used.size >= this.#max) return false;
    used.set(id, until);
    return true;
  }
}

function prune(used: Map<string, number>, now: number): void {
  for (const [id, until] of used) if (until <= now) used.delete(id);
}
