import { isWritable, MAX_PAUSE_MS } from '../../protocol/command.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { messageOf } from '../../support/errors.ts';
import type { Moment, Toggle } from '../store/records.ts';
import type { Core } from './core.ts';
import { ServiceError } from './service-error.ts';

/** The truth is computed from the clock whenever somebody asks; this is how late its line in the audit may be. */
const LOOK_EVERY_MS = 5_000;

/** How long a pause is wanted: a moment, or seconds from now. */
export interface WishedEnd {
  readonly until?: string | undefined;
  readonly forSeconds?: number | undefined;
}

/** When a pause that is ordered now ends; undefined: with a resume. Throws `ServiceError`. */
export function endOfPause(
  { until, forSeconds }: WishedEnd,
  enabled: boolean,
  now: Moment,
): Moment | undefined {
  if (until === undefined && forSeconds === undefined) return undefined;
  if (enabled) throw invalid('only a pause has an end: leave `until` and `forSeconds` out');
  if (until !== undefined && forSeconds !== undefined) {
    throw invalid('give either `until` or `forSeconds`');
  }
  const end = until === undefined ? now + (forSeconds ?? 0) * 1000 : Date.parse(until);
  if (end <= now) {
    throw invalid(`a pause cannot end at ${timestamp(end)}: here it is ${timestamp(now)} already`);
  }
  if (end - now > MAX_PAUSE_MS) {
    throw invalid('a pause with an end lasts at most 30 days; give none, and resume it yourself');
  }
  return end;
}

/** Whether commands of a directory are handed over at all now. */
export function isPaused(toggle: Toggle, now: Moment): boolean {
  return !isWritable(toggle, now);
}

/** A pause in words: who, since when, how long, why. */
export function pauseInWords({ by, at, until, reason }: Toggle): string {
  const end = until === undefined ? '' : ` until ${timestamp(until)}`;
  return `writeback is paused by ${by} since ${timestamp(at)}${end}${reason === '' ? '' : `: ${reason}`}`;
}

/**
 * Notes in log and audit, once over all nodes, that a pause has come to its end. Agents know it by
 * themselves. Resolves when `signal` aborts.
 */
export async function watchPauses(core: Core, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = core;
  using round = core.rounds.begin('the look at timed pauses');
  while (!signal.aborted) {
    round.turned();
    try {
      for (const { id, toggle } of await store.directories.unnotedEnds(clock.now())) {
        await noteEnd(core, id, toggle);
        round.turned();
      }
    } catch (error) {
      log.error('cloud.request_failed', { problem: messageOf(error) });
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

async function noteEnd({ store, clock, log }: Core, id: string, toggle: Toggle): Promise<void> {
  const { version, reason, until = clock.now() } = toggle;
  const isFirst = await store.atomically(async (inside) => {
    if (!(await inside.directories.noteEnd(id, version))) return false;
    await inside.audit.append({
      at: clock.now(),
      directory: id,
      actor: 'passback-cloud',
      action: 'writeback.resumed',
      detail: { version, reason, until: timestamp(until) },
    });
    return true;
  });
  if (isFirst) log.info('cloud.writeback_resumed', { directory: id, version });
}

function invalid(detail: string): ServiceError {
  return new ServiceError('INVALID_PAUSE', { detail });
}
