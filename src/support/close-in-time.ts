import type { Clock } from './clock.ts';
import { inTime } from './in-time.ts';
import type { ClosableLogger } from './winston-logger.ts';

const LIMIT_MS = 2_000;

/** Closes the log of a process that ends with a bug: a log that cannot be closed must not keep it. Never rejects. */
export async function closeInTime(
  log: Pick<ClosableLogger, 'close'>,
  clock: Pick<Clock, 'sleep'>,
): Promise<void> {
  const closing = log.close().catch(() => undefined);
  await inTime(closing, { ms: LIMIT_MS, clock, late: () => undefined });
}
