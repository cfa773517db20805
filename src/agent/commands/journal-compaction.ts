import { CLOCK_TOLERANCE_S } from '../../protocol/command.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { JournalRecord } from './journal-records.ts';

/** An operation is remembered this long after its time: the service asks for an hour, and clocks differ. */
export const REMEMBERED_MS = 24 * 3_600_000;

export interface JournalPosition {
  readonly epoch: string;
  readonly seq: number;
  readonly head: string;
}

/** Where the trail stands, and up to which number the service has it. */
export interface Known extends JournalPosition {
  readonly confirmed: number;
}

/**
 * What a journal still has to hold: where its trail stands, every write that is not resolved, the
 * newest toggle, refusals of tokens that could be replayed, operations that may be asked for, and
 * what the service may not have heard of. Pure.
 */
export function compacted(
  records: readonly JournalRecord[],
  { confirmed, ...position }: Known,
  nowMs: number,
): readonly JournalRecord[] {
  const floorMs = nowMs - REMEMBERED_MS;
  const answered = new Set(
    records.flatMap((record) => (record.type === 'outcome' ? [record.cmd] : [])),
  );
  const withdrawn = new Set(
    records.flatMap((record) => (record.type === 'refusal' ? [record.jti] : [])),
  );
  const newestIntent = new Map(
    records.flatMap((record) => (record.type === 'intent' ? [[record.cmd, record] as const] : [])),
  );
  const newestToggle = records.findLast(({ type }) => type === 'toggle');
  const kept = records.filter((record) => {
    if ('jti' in record && 'seq' in record && record.seq > confirmed) return true;
    switch (record.type) {
      case 'epoch':
        return false;
      case 'toggle':
        return record === newestToggle;
      case 'refusal':
        return Date.parse(record.expires) + CLOCK_TOLERANCE_S * 1000 > floorMs;
      case 'intent':
        // A refusal of the same dispatch has taken it back: it must not come to life without it.
        if (newestIntent.get(record.cmd) !== record) return false;
        if (!answered.has(record.cmd)) return !withdrawn.has(record.jti);
        return Date.parse(record.notAfter) > floorMs;
      case 'outcome':
        return Date.parse(record.notAfter) > floorMs;
    }
  });
  const at = timestamp(nowMs);
  return [{ type: 'epoch', ...position, at, floor: timestamp(floorMs) }, ...kept];
}
