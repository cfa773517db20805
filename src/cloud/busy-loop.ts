import { performance, type EventLoopUtilityFunction } from 'node:perf_hooks';

const BUSY_FROM = 0.75;

/** Whether the event loop has waited for less than a quarter of the time since it was asked before. */
export function busyLoop(
  utilizationOf: EventLoopUtilityFunction = (...span) => performance.eventLoopUtilization(...span),
): () => boolean {
  let before = utilizationOf();
  return () => {
    const now = utilizationOf();
    const { utilization } = utilizationOf(now, before);
    before = now;
    return utilization > BUSY_FROM;
  };
}
