import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRecord, type JournalRecord } from '../commands/journal-records.ts';
import { fileFailure } from '../../support/file-failure.ts';

/** How a journal is, in numbers. */
export interface JournalStatistics {
  readonly bytes: number;
  readonly lines: number;
  /** Lines that no reader would take. */
  readonly damaged: number;
  readonly epoch?: string;
  readonly seq: number;
  /** Writes whose outcome is not in it. */
  readonly open: number;
  readonly types: Readonly<Record<string, number>>;
  readonly codes: Readonly<Record<string, number>>;
  readonly firstAt?: string;
  readonly lastAt?: string;
}

/** Counts what is in a journal without opening it as one: it may be in use. Never rejects. */
export async function journalStatistics(
  stateFolder: string,
): Promise<JournalStatistics | { readonly problem: string }> {
  let text: string;
  try {
    text = await readFile(join(stateFolder, 'journal.jsonl'), 'utf8');
  } catch (error) {
    return { problem: `the journal ${fileFailure(error)}` };
  }
  const lines = text.split('\n').filter((line) => /[^\u0000\s]/.test(line));
  const records = lines.flatMap((line) => decodeRecord(line) ?? []);
  return {
    bytes: Buffer.byteLength(text),
    lines: lines.length,
    damaged: lines.length - records.length,
    ...summary(records),
  };
}

function summary(
  records: readonly JournalRecord[],
): Omit<JournalStatistics, 'bytes' | 'lines' | 'damaged'> {
  const epoch = records.find((record) => record.type === 'epoch')?.epoch;
  const times = records.flatMap((record) => ('at' in record ? record.at : []));
  const [firstAt] = times;
  const lastAt = times.at(-1);
  const ended = new Set(records.flatMap((one) => (one.type === 'outcome' ? one.cmd : [])));
  // A refusal of the dispatch that an intent was made for has taken it back.
  const withdrawn = new Set(records.flatMap((one) => (one.type === 'refusal' ? one.jti : [])));
  const begun = records.filter((one) => one.type === 'intent' && !withdrawn.has(one.jti));
  return {
    seq: records.reduce((seq, record) => Math.max(seq, seqOf(record)), 0),
    open: new Set(begun.flatMap((one) => ('cmd' in one && !ended.has(one.cmd) ? one.cmd : [])))
      .size,
    types: countsOf(records.map(({ type }) => type)),
    codes: countsOf(records.flatMap((record) => ('code' in record ? record.code : []))),
    ...(epoch !== undefined && { epoch }),
    ...(firstAt !== undefined && { firstAt }),
    ...(lastAt !== undefined && { lastAt }),
  };
}

function seqOf(record: JournalRecord): number {
  return 'seq' in record ? (record.seq ?? 0) : 0;
}

function countsOf(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
