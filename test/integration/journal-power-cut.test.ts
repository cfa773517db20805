import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JournalRecord } from '../../src/agent/commands/journal-records.ts';
import { openJournal, type Journal } from '../../src/agent/commands/journal.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { PowerCutDisk, type Fate } from '../support/power-cut-disk.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const REST_OF_EPOCH = '-0000-4000-8000-00000000000e';
const AT = '2030-01-01T00:00:00.000Z';
const NOTHING: Fate = { bytes: 'lost', names: 'lost' };
const FATES: Fate[] = (['lost', 'torn', 'kept'] as const).flatMap((bytes) => [
  { bytes, names: 'lost' },
  { bytes, names: 'kept' },
]);

let folder: TemporaryFolder;
let disk: PowerCutDisk;
let epochs = 0;

beforeEach(async () => {
  folder = await temporaryFolder();
  disk = new PowerCutDisk();
  epochs = 0;
});

afterEach(() => folder[Symbol.asyncDispose]());

/** Every new journal has another epoch. */
function open(): Promise<Journal> {
  const uuid = (): string => String((epochs += 1)).padStart(8, '0') + REST_OF_EPOCH;
  const path = join(folder.path, 'journal.jsonl');
  return openJournal({ path, now: () => Date.parse(AT), uuid, log: new MemoryLog(), disk });
}

function refusal(seq: number): JournalRecord {
  const jti = `00000000-0000-4000-8000-${String(seq).padStart(12, '0')}`;
  const answered = { cmd: jti, jti, digest: 'd'.repeat(43), code: 'BUSY' as const };
  return { type: 'refusal', ...answered, seq, jws: `r${seq}.r.r`, expires: AT };
}

/** The numbers of what the journal knows, as they were signed. */
async function known(journal: Journal): Promise<readonly number[]> {
  const signed = journal.signedAfter(0).map((seq) => journal.signed(seq));
  return (await Promise.all(signed)).map((jws) => Number(/^r(\d+)/.exec(jws ?? '')?.[1]));
}

/** The power goes at the `fatal`-th step on the disk; resolves when it is reached. */
function dieAt(fatal: number): Promise<void> {
  let steps = 0;
  return new Promise((reached) => {
    disk.step = async () => {
      steps += 1;
      if (steps < fatal) return;
      reached();
      await new Promise(() => undefined); // for ever
    };
  });
}

test.each(FATES)(
  'a new journal survives a power cut from its first record on (%o)',
  async (fate) => {
    const journal = await open();
    const { epoch } = journal;
    await journal.append(refusal(1));
    await disk.cut(fate);
    await using after = await open();
    expect(after.epoch).toBe(epoch);
    expect(await known(after)).toEqual([1]);
  },
);

test('what a killed process had not synced does not go once the next one has told of it', async () => {
  const first = await open();
  const reached = dieAt(3); // before the sync; written it is
  void first.append(refusal(1));
  await reached;
  disk.step = () => Promise.resolve();
  const second = await open();
  expect(await known(second)).toEqual([1]);
  await disk.cut(NOTHING);
  await using third = await open();
  expect(await known(third)).toEqual([1]);
});

test.each(FATES)(
  'of a batch that was never told, a power cut leaves a beginning (%o)',
  async (fate) => {
    const journal = await open();
    await journal.append(refusal(1));
    const reached = dieAt(3);
    const batch = [2, 3, 4, 5].map((seq) => journal.append(refusal(seq)));
    void Promise.allSettled(batch);
    await reached;
    await disk.cut(fate);
    await using after = await open();
    const left = await known(after);
    expect(left).toEqual([1, 2, 3, 4, 5].slice(0, left.length));
    await after.append(refusal(left.length + 1));
    expect(await known(after)).toHaveLength(left.length + 1);
  },
);

describe.each(FATES)('a power cut in the middle of a compaction (%o)', (fate) => {
  test('costs nothing that was told, whichever step is the last', async () => {
    let died = true;
    for (let fatal = 1; died; fatal += 1) {
      disk = new PowerCutDisk();
      await using own = await temporaryFolder();
      folder = own;
      const journal = await open();
      const { epoch } = journal;
      for (const seq of [1, 2, 3]) await journal.append(refusal(seq));
      const reached = dieAt(fatal).then(() => 'died');
      const told: number[] = [1, 2, 3];
      const work = async (): Promise<string> => {
        await journal.compact(Date.parse(AT));
        await journal.append(refusal(4)).then(() => told.push(4));
        return 'done';
      };
      died = (await Promise.race([reached, work()])) === 'died';
      await disk.cut(fate);
      await using after = await open();
      expect(after.epoch).toBe(epoch);
      expect((await known(after)).slice(0, told.length)).toEqual(told);
      expect(fatal).toBeLessThan(40);
    }
  });
});
