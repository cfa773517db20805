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
  const types: Record<string, number> = {};
  const codes: Record<string, number> = {};
  const times: string[] = [];
  const open = new Set<string>();
  let epoch: string | undefined;
  let seq = 0;
  for (const record of records) {
    types[record.type] = (types[record.type] ?? 0) + 1;
    if (record.type === 'epoch') epoch = record.epoch;
    if ('seq' in record) seq = Math.max(seq, record.seq ?? 0);
    if ('code' in record) codes[record.code] = (codes[record.code] ?? 0) + 1;
    if ('at' in record) times.push(record.at);
    if (record.type === 'intent') open.add(record.cmd);
    if (record.type === 'outcome') open.delete(record.cmd);
  }
  const [firstAt] = times;
  const lastAt = times.at(-1);
  return {
    ...{ seq, open: open.size, types, codes },
    ...(epoch !== undefined && { epoch }),
    ...(firstAt !== undefined && { firstAt }),
    ...(lastAt !== undefined && { lastAt }),
  };
}
