import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Intent, JournalRecord } from '../../src/agent/commands/journal-records.ts';
import { openJournal, type Journal } from '../../src/agent/commands/journal.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import { CommandRig } from '../support/command-rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDomain } from '../support/fake-domain.ts';
import { AT, EPOCH, INTENT, OUTCOME, REFUSAL, id } from '../support/journal-samples.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const LATER = Date.parse(AT) + 25 * 3_600_000;

let folder: TemporaryFolder;
let path: string;
let log: MemoryLog;

beforeEach(async () => {
  folder = await temporaryFolder();
  path = join(folder.path, 'journal.jsonl');
  log = new MemoryLog();
});

afterEach(() => folder[Symbol.asyncDispose]());

function openIt(): Promise<Journal> {
  return openJournal({ path, now: () => Date.parse(AT), uuid: () => EPOCH, log });
}

/** An operation with its answer, as long as real ones are. */
function operation(number: number, notAfter = AT): readonly [Intent, JournalRecord] {
  const ids = { cmd: id(number), jti: id(number + 100_000) };
  return [
    { ...INTENT, ...ids, actor: `key:${number}`, notAfter },
    { ...OUTCOME, ...ids, seq: number, jws: signedOf(number), notAfter },
  ];
}

/** Of another length for each number. */
function signedOf(number: number): string {
  return `s${number}.${'p'.repeat(1_000 + (number % 7))}.s`;
}

async function appendAll(journal: Journal, numbers: readonly number[]): Promise<void> {
  // With strings of their own, as they come in and as they are read.
  const records = structuredClone(numbers.flatMap((number) => operation(number)));
  await Promise.all(records.map((record) => journal.append(record)));
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i + 1);

test('each operation and dispatch is answered with its own outcome, however it got into the file', async () => {
  const answers = async (journal: Journal): Promise<readonly (string | undefined)[]> => [
    ...(await Promise.all(upTo(30).map((number) => journal.outcomeOf(id(number))))),
    await journal.refusalOf(id(77)),
    await journal.signed(31),
    await journal.signed(7),
  ];
  const expected = [...upTo(30).map(signedOf), 'r.r.r', 'r.r.r', signedOf(7)];
  await using journal = await openIt();
  await appendAll(journal, upTo(15)); // in one go
  for (const number of upTo(30).slice(15)) await appendAll(journal, [number]);
  await journal.append({ ...REFUSAL, cmd: id(76), jti: id(77), seq: 31, jws: 'r.r.r' });
  expect(await answers(journal)).toEqual(expected);
  await journal[Symbol.asyncDispose]();
  await using again = await openIt();
  expect(await answers(again)).toEqual(expected);
});

test('an answer that is asked for at any moment of a compaction is that of its own operation', async () => {
  await using journal = await openIt();
  await appendAll(journal, upTo(40)); // over by then: forgotten, so everything after them moves
  const kept = upTo(80).slice(40);
  for (const number of kept) {
    for (const record of operation(number, timestamp(LATER))) await journal.append(record);
  }
  journal.confirm(80);
  const ended = new AbortController();
  const compaction = journal.compact(LATER).finally(() => {
    ended.abort();
  });
  const answers: Promise<void>[] = [];
  while (!ended.signal.aborted) {
    for (const number of kept) {
      answers.push(
        journal.outcomeOf(id(number)).then((outcome) => {
          expect(outcome).toBe(signedOf(number));
        }),
      );
    }
    await new Promise(setImmediate);
  }
  await compaction;
  await Promise.all(answers);
  expect(answers.length).toBeGreaterThan(2 * kept.length);
  expect(journal.find(id(1))).toBeUndefined();
  expect(await journal.signed(1)).toBeUndefined();
  expect(await journal.outcomeOf(id(80))).toBe(signedOf(80));
  expect(journal.problem).toBeUndefined();
});

test('to ask for the outcome of an operation that has none is a bug, and said to be one', async () => {
  await using journal = await openIt();
  await expect(journal.outcomeOf(id(1))).rejects.toThrow(`${id(1)} has no outcome`);
});

test('what cannot be read from the file is no answer: the journal says so, and begins nothing more', async () => {
  await using journal = await openIt();
  await appendAll(journal, [1, 2]);
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('s1.pp', 's1.pq'));
  const answer = await journal.outcomeOf(id(1)).catch((error: unknown) => error);
  expect(answer).toBe(journal.problem);
  expect(journal.problem).toMatchObject({
    code: 'JOURNAL_DAMAGED',
    message: expect.stringMatching(
      /outcome 1 at byte \d+ cannot be read.*repair the disk/,
    ) as string,
  });
  expect(log.of('journal.failed')).toHaveLength(1);
  await expect(journal.append({ ...INTENT, cmd: id(3), jti: id(13) })).rejects.toBe(answer);
  expect(await journal.outcomeOf(id(2))).toBe(signedOf(2)); // what can be read is still told
});

test('a whole record of another number, where one was, is not taken for it', async () => {
  await using journal = await openIt();
  await appendAll(journal, [1, 8]); // of the same length
  const lines = (await readFile(path, 'utf8')).split('\n');
  const [epoch, first, outcome1, second, outcome8] = lines;
  await writeFile(path, [epoch, first, outcome8, second, outcome1, ''].join('\n'));
  await expect(journal.outcomeOf(id(1))).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
});

test('a closed journal is not a damaged one', async () => {
  const journal = await openIt();
  await appendAll(journal, [1]);
  await journal[Symbol.asyncDispose]();
  await expect(journal.outcomeOf(id(1))).rejects.toMatchObject({ name: 'JournalError' });
  expect(log.of('journal.failed')).toEqual([]);
});

test('an operation whose answer was lost on the disk is not carried out a second time', async () => {
  const clock = new FakeClock();
  const domain = new FakeDomain({ clock });
  const [ann, ben] = [domain.add(), domain.add()];
  await using rig = await CommandRig.open({ directory: domain, clock });
  const token = await rig.token({ objectGuid: ann });
  await rig.send(token);
  const file = await open(join(rig.folder, 'journal.jsonl'), 'r+');
  await file.write('?', rig.journal.size - 100);
  await file.close();
  await expect(rig.send(token)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  await expect(rig.order({ objectGuid: ben })).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  expect(domain.written).toHaveLength(1);
});

test('an operation that is answered takes less than 1 KB of memory', async () => {
  const [count, limit] = [2_000, 1_024];
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const inUse = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  await using journal = await openIt();
  await appendAll(journal, [1]);
  const before = inUse();
  await appendAll(journal, upTo(count + 1).slice(1));
  expect(inUse() - before).toBeLessThan(count * limit);
  expect(journal.seq).toBe(count + 1);
});
