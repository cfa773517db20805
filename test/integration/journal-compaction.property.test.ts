import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal, type Journal } from '../../src/agent/commands/journal.ts';
import type { JournalRecord } from '../../src/agent/commands/journal-records.ts';
import { AT, EPOCH, INTENT, OUTCOME, REFUSAL, id } from '../support/journal-samples.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const LATER = Date.parse(AT) + 25 * 3_600_000;
const FRESH = new Date(LATER).toISOString();
const OPERATIONS = 4;

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(() => folder[Symbol.asyncDispose]());

function open(path: string): Promise<Journal> {
  return openJournal({ path, now: () => LATER, uuid: () => EPOCH, log: new MemoryLog() });
}

/** One thing that happens to an operation: it is begun, answered, or a dispatch of it is turned away. */
interface Happening {
  readonly what: 'begun' | 'answered' | 'turned away' | 'toggled';
  readonly operation: number;
  readonly isFresh: boolean;
}

const happenings = fc.array(
  fc.record<Happening>({
    what: fc.constantFrom('begun', 'answered', 'turned away', 'toggled'),
    operation: fc.nat(OPERATIONS - 1),
    isFresh: fc.boolean(),
  }),
  { maxLength: 24 },
);

/** What an agent would have written down: one answer to a dispatch, and nothing after an outcome. */
function recordsOf(history: readonly Happening[]): readonly JournalRecord[] {
  const dispatches = new Map<number, number>();
  const answered = new Set<number>();
  let seq = 0;
  return history.flatMap(({ what, operation, isFresh }, index): JournalRecord[] => {
    if (what === 'toggled') return [{ type: 'toggle', version: index + 1, jws: `t${index}.t.t` }];
    if (answered.has(operation)) return [];
    const [cmd, until] = [id(operation), isFresh ? FRESH : AT];
    if (what === 'begun') dispatches.set(operation, index);
    const jti = id(100 + (dispatches.get(operation) ?? index));
    if (what === 'begun') return [{ ...INTENT, cmd, jti, notAfter: until }];
    dispatches.delete(operation);
    seq += 1;
    const signed = { cmd, jti, seq, jws: `s${seq}.s.s` };
    if (what === 'turned away') return [{ ...REFUSAL, ...signed, expires: until }];
    answered.add(operation);
    return [{ ...OUTCOME, ...signed, notAfter: until }];
  });
}

async function answersOf(journal: Journal): Promise<object> {
  const { epoch, seq, head, floor, toggle, openIntents, size } = journal;
  const cmds = Array.from({ length: OPERATIONS }, (_, i) => id(i));
  const jtis = Array.from({ length: 24 }, (_, i) => id(100 + i));
  return {
    ...{ epoch, seq, head, floor, toggle, openIntents, size },
    signed: await Promise.all(journal.signedAfter(0).map((number) => journal.signed(number))),
    begun: [...journal.begun()],
    operations: cmds.map((cmd) => journal.find(cmd)),
    outcomes: await Promise.allSettled(cmds.map((cmd) => journal.outcomeOf(cmd))),
    refusals: await Promise.all(jtis.map(async (jti) => journal.refusalOf(jti))),
  };
}

test('whatever has happened, a compacted journal answers as one read from its file, and forgets nothing that matters', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(happenings, happenings, fc.nat(30), async (before, after, confirmed) => {
      const path = join(folder.path, `${(runs += 1)}.jsonl`);
      const records = recordsOf([...before, ...after]);
      await using journal = await open(path);
      for (const record of records) await journal.append(record);
      await copyFile(path, `${path}.whole`);
      await using whole = await open(`${path}.whole`);
      journal.confirm(confirmed);
      await journal.compact(LATER);

      await copyFile(path, `${path}.again`);
      await using again = await open(`${path}.again`);
      expect(await answersOf(journal)).toEqual(await answersOf(again));

      const { epoch, seq, head, toggle, openIntents } = whole;
      expect(journal).toMatchObject({ epoch, seq, head, toggle, openIntents });
      expect(journal.signedAfter(confirmed)).toEqual(whole.signedAfter(confirmed));
      for (const record of records) {
        if (record.type === 'outcome' && record.notAfter === FRESH) {
          expect(await journal.outcomeOf(record.cmd)).toBe(record.jws);
        }
        if (record.type === 'refusal' && record.expires === FRESH) {
          expect(await journal.refusalOf(record.jti)).toBe(await whole.refusalOf(record.jti));
        }
      }
    }),
    { numRuns: 60 },
  );
});
