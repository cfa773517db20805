import type { OutcomeTrail, TrailLink } from '../store/records.ts';

/** An outcome that is still missing this long after a later one came is a gap: longer than any operation lives. */
const GAP_AFTER_MS = 10 * 60_000;
const MAX_AHEAD = 256;

/** One that a later one has overtaken is on its way; after this long it was lost, and has to be asked for. */
const LOST_AFTER_MS = 30_000;

/** The state folder was restored, copied or replaced: such an agent is not let in. */
export type ResumeAlarm = 'JOURNAL_REPLACED' | 'JOURNAL_WENT_BACKWARDS' | 'JOURNAL_FORKED';

export type TrailAlarm = ResumeAlarm | 'OUTCOME_CHAIN_BROKEN' | 'OUTCOME_GAP';

export interface JournalPosition {
  readonly epoch: string;
  readonly seq: number;
  readonly head: string;
}

export interface TrailStep {
  readonly trail: OutcomeTrail;
  readonly alarm?: TrailAlarm;
}

/**
 * Compares where an agent says its journal stands with what was seen of it: of what it says in the
 * middle of a session, with what was `known` when it was asked, because outcomes overtake the answer.
 * An alarm means a restored or copied state folder: such an agent is not let in. Pure.
 */
export function resumeTrail(
  trail: OutcomeTrail | undefined,
  journal: JournalPosition,
  known = trail?.seen ?? 0,
): TrailStep & { readonly alarm?: ResumeAlarm } {
  const { epoch, seq, head } = journal;
  if (trail === undefined) return { trail: { epoch, seq, head, seen: seq, ahead: [] } };
  if (epoch !== trail.epoch) return { trail, alarm: 'JOURNAL_REPLACED' };
  if (seq < known) return { trail, alarm: 'JOURNAL_WENT_BACKWARDS' };
  const hash = seq === trail.seq ? trail.head : hashOf(trail, seq);
  if (hash !== undefined && hash !== head) return { trail, alarm: 'JOURNAL_FORKED' };
  return { trail: { ...trail, seen: Math.max(seq, trail.seen) } };
}

/**
 * Takes the next signed outcome of an agent. Answers may overtake each other and may be lost until
 * they are asked for again, so an early one waits for its predecessors. Pure.
 */
export function extendTrail(
  trail: OutcomeTrail,
  link: TrailLink & { readonly epoch: string },
): TrailStep {
  const { epoch, seq, hash, previous, at } = link;
  if (epoch !== trail.epoch) return { trail, alarm: 'OUTCOME_CHAIN_BROKEN' };
  const repeated = seq === trail.seq ? trail.head : hashOf(trail, seq);
  if (repeated !== undefined && repeated !== hash) return { trail, alarm: 'OUTCOME_CHAIN_BROKEN' };
  if (seq <= trail.seq || repeated !== undefined) return { trail };
  const ahead = [...trail.ahead, { seq, hash, previous, at }].sort((a, b) => a.seq - b.seq);
  return giveUpGaps({ ...trail, seen: Math.max(trail.seen, seq), ahead }, at);
}

/** Whether an outcome is missing that ought to have come by now. Pure. */
export function lacksOutcome(trail: OutcomeTrail, now: number): boolean {
  return trail.ahead.some(({ at }) => now - at > LOST_AFTER_MS);
}

/**
 * Moves what follows without a gap from `ahead` into the trail, and goes on, with an alarm, behind
 * what nothing can bring any more. Pure.
 */
export function giveUpGaps(trail: OutcomeTrail, now: number): TrailStep {
  let { seq, head } = trail;
  let alarm: TrailAlarm | undefined;
  const ahead = [...trail.ahead];
  for (let next = ahead[0]; next !== undefined; next = ahead[0]) {
    const gap = next.seq !== seq + 1;
    if (gap && ahead.length <= MAX_AHEAD && !ahead.some(({ at }) => now - at > GAP_AFTER_MS)) break;
    if (gap) alarm ??= 'OUTCOME_GAP';
    else if (next.previous !== head) alarm = 'OUTCOME_CHAIN_BROKEN';
    ({ seq, hash: head } = next);
    ahead.shift();
  }
  return { trail: { ...trail, seq, head, ahead }, ...(alarm !== undefined && { alarm }) };
}

function hashOf(trail: OutcomeTrail, seq: number): string | undefined {
  return trail.ahead.find((link) => link.seq === seq)?.hash;
}
