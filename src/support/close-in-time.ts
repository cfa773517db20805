import type { Clock } from './clock.ts';
import type { ClosableLogger } from './winston-logger.ts';

const LIMIT_MS = 2_000;

/** Closes the log of a process that ends with a bug: a log that cannot be closed must not keep it. Never rejects. */
export async function closeInTime(
  log: Pick<ClosableLogger, 'close'>,
  clock: Pick<Clock, 'sleep'>,
): Promise<void> {
  const closed = new AbortController();
  const closing = log.close().catch(() => undefined);
  await Promise.race([closing, clock.sleep(LIMIT_MS, closed.signal)]);
  closed.abort();
}
