import type { Clock } from './clock.ts';

/** Whoever has started the process and wants to hear how it is. */
export interface ServiceManager {
  /** How often it wants to hear from a process that gets on; undefined: it does not watch. */
  readonly watchdogMs: number | undefined;
  /** Hands the news over; a phase that does not get through is said again with the next. Never throws. */
  tell(news: News): void;
}

/** What a service manager is told; absent members are not mentioned. */
export interface News {
  /** Is up, or is on its way down. */
  readonly phase?: 'ready' | 'stopping';
  /** One line for people. */
  readonly status?: string;
  /** It gets on: the time until somebody ends it begins anew. */
  readonly alive?: true;
  /** Stopping may take this much longer. */
  readonly moreTimeMs?: number;
}

export interface Told {
  readonly manager: ServiceManager;
  /** How it is, in one line without personal data. Must not reject. */
  readonly status: () => string | Promise<string>;
  /** Why the process itself does not get on; empty while it does. */
  readonly stuck: () => readonly string[];
  /** Hears once why the service manager is about to end the process. */
  readonly onStuck: (stuck: readonly string[]) => void;
  readonly clock: Clock;
}

const BEAT_MS = 5_000;

/** Comes again with each beat, and with room for what is done after the last one. */
const MORE_TIME_MS = 20_000;

/**
 * Tells the service manager that the process is up, how it is, that it gets on and, once `drain`
 * aborts, that it is stopping; until `ended` does. Never rejects.
 */
export async function keepTold(told: Told, drain: AbortSignal, ended: AbortSignal): Promise<void> {
  const { manager, clock } = told;
  const either = AbortSignal.any([drain, ended]);
  let phase: News['phase'];
  let wasStuck = false;
  while (!ended.aborted) {
    const stuck = told.stuck();
    if (stuck.length > 0 && !wasStuck) told.onStuck(stuck);
    wasStuck = stuck.length > 0;
    const now = drain.aborted ? 'stopping' : 'ready';
    manager.tell({
      ...(phase !== now && { phase: now }),
      status: wasStuck ? `stuck: ${stuck.join('; ')}` : await statusOf(told, drain),
      ...(!wasStuck && { alive: true }),
      ...(drain.aborted && { moreTimeMs: MORE_TIME_MS }),
    });
    phase = now;
    await clock.sleep(beatOf(manager), drain.aborted ? ended : either);
  }
}

async function statusOf({ status }: Told, drain: AbortSignal): Promise<string> {
  return drain.aborted ? 'stopping: finishing what has begun' : status();
}

/** A beat that is late, or lost, must not end the process. */
function beatOf({ watchdogMs = Number.POSITIVE_INFINITY }: ServiceManager): number {
  return Math.min(BEAT_MS, watchdogMs / 3);
}
