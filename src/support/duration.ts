import { UsageError } from './usage-error.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Milliseconds of a text such as `30m`, `2h` or `1d12h`. Throws `UsageError`, which names the flag. */
export function parseDuration(text: string, flag: string, maxDays = 366): number {
  const [all, days = 0, hours = 0, minutes = 0] =
    /^(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,6})m)?$/.exec(text) ?? [];
  const ms = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * MINUTE_MS;
  if (all === undefined || ms === 0 || ms > maxDays * DAY_MS) {
    throw new UsageError(`${flag}: expected a time such as 30m, 2h or 1d12h, at most ${maxDays}d`);
  }
  return ms;
}
