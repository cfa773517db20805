export interface Spread {
  readonly median: number;
  readonly p99: number;
}

/** Median and 99th percentile (nearest rank) of some numbers. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
  return { median: at(0.5), p99: at(0.99) };
}
