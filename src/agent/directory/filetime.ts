/** Between 1601 and 1970, in the 100 ns of a FILETIME (MS-DTYP 2.3.3). */
const EPOCH = 116_444_736_000_000_000n;
const TICKS_PER_MS = 10_000n;

/** What the directory writes for "never", besides 0. */
const NEVER = 9_223_372_036_854_775_807n;

/** A moment as the directory stores it. */
export function toFiletime(epochMs: number): string {
  return String(BigInt(Math.trunc(epochMs)) * TICKS_PER_MS + EPOCH);
}

/** Epoch milliseconds of a stored moment; undefined for 0 and for "never", which are no moments. */
export function fromFiletime(filetime: string): number | undefined {
  const ticks = BigInt(filetime);
  if (ticks <= 0n || ticks === NEVER) return undefined;
  return Number((ticks - EPOCH) / TICKS_PER_MS);
}

/** Seconds of a stored interval: the directory writes them negative, in 100 ns. */
export function intervalSeconds(interval: string): number {
  const ticks = BigInt(interval);
  return Number((ticks < 0n ? -ticks : ticks) / 10_000_000n);
}
