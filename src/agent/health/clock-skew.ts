import { timestamp } from '../../protocol/shapes.ts';

/** Two clocks at one moment, in epoch milliseconds. */
interface Clocks {
  readonly here: number;
  readonly there: number;
}

const WARN_OVER_MS = 30_000;

/** Less is the same finding: whoever is told of it is not told again each second. */
const SAME_MS = 5_000;

/** How far another clock is off, as it was found; kept while it has not moved much. */
export class ClockSkew {
  #found: Clocks | undefined;

  take(clocks: Clocks): void {
    const moved = this.#found === undefined ? Infinity : offset(clocks) - offset(this.#found);
    if (Math.abs(moved) > SAME_MS) this.#found = clocks;
  }

  /** What is wrong with it, naming both clocks; undefined while they agree. */
  inWords(whose: string): string | undefined {
    const found = this.#found;
    if (found === undefined || Math.abs(offset(found)) <= WARN_OVER_MS) return undefined;
    const { here, there } = found;
    const seconds = Math.round(Math.abs(there - here) / 1000);
    return `the clocks differ by ${seconds} s: this machine ${timestamp(here)}, ${whose} ${timestamp(there)}`;
  }
}

function offset({ here, there }: Clocks): number {
  return there - here;
}
