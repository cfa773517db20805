import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { journalStatistics } from '../../src/agent/bundle/journal-statistics.ts';
import { encodeRecord, type JournalRecord } from '../../src/agent/commands/journal-records.ts';
import { AT, EPOCH, id, INTENT, OUTCOME, REFUSAL } from '../support/journal-samples.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(() => folder[Symbol.asyncDispose]());

async function journalOf(...records: readonly JournalRecord[]): Promise<void> {
  const first: JournalRecord = { type: 'epoch', epoch: EPOCH, at: AT };
  const text = [first, ...records].map(encodeRecord).join('');
  await writeFile(join(folder.path, 'journal.jsonl'), text);
}

test('a write without an outcome is open, one with an outcome is not', async () => {
  await journalOf(INTENT, OUTCOME, { ...INTENT, cmd: id(2), jti: id(3) });
  expect(await journalStatistics(folder.path)).toMatchObject({ open: 1, damaged: 0 });
});

test('a write that its own refusal took back is not open', async () => {
  await journalOf(INTENT, REFUSAL);
  expect(await journalStatistics(folder.path)).toMatchObject({ open: 0 });
});

test('one that was begun anew after a refusal of another dispatch is open', async () => {
  await journalOf(INTENT, REFUSAL, { ...INTENT, jti: id(9) });
  expect(await journalStatistics(folder.path)).toMatchObject({ open: 1 });
});
