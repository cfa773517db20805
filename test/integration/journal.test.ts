import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal, type Journal } from '../../src/agent/commands/journal.ts';
import { encodeRecord, type JournalRecord } from '../../src/agent/commands/journal-records.ts';
import { MemoryLog } from '../support/memory-log.ts';

const EPOCH = '00000000-0000-4000-8000-00000000000e';
const CMD = '00000000-0000-4000-8000-00000000000c';
const JTI = '00000000-0000-4000-8000-0000000000a1';
const AT = '2030-01-01T00:00:00.000Z';
const DIGEST = 'd'.repeat(43);

const INTENT: JournalRecord = {
  type: 'intent',
  cmd: CMD,
  jti: JTI,
  digest: DIGEST,
  token: DIGEST,
  op: 'reset',
  by: 'admin',
  actor: 'key:1',
  unlock: true,
  mustChange: 'not-asked',
  objectGuid: CMD,
  controller: 'dc1.corp.test',
  controllerTime: AT,
  pwdLastSet: '1',
  lockoutTime: '0',
  notAfter: AT,
  at: AT,
};
const ANSWER = { cmd: CMD, jti: JTI, digest: DIGEST, seq: 1, jws: 'aa.bb.cc' } as const;
const OUTCOME: JournalRecord = { type: 'outcome', ...ANSWER, code: 'APPLIED', notAfter: AT };
const REFUSAL: JournalRecord = { type: 'refusal', ...ANSWER, code: 'BUSY', expires: AT };

let folder: string;
let path: string;
let log: MemoryLog;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-journal-'));
  path = join(folder, 'journal.jsonl');
  log = new MemoryLog();
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function openIt(): Promise<Journal> {
  return openJournal({ path, now: () => Date.parse(AT), uuid: () => EPOCH, log });
}

async function withJournal(work: (journal: Journal) => Promise<void> | void): Promise<void> {
  await using journal = await openIt();
  await work(journal);
}

test('a new journal begins with its epoch, in a file that only its owner reads', async () => {
  await withJournal((journal) => {
    expect([journal.epoch, journal.seq, journal.open]).toEqual([EPOCH, 0, 0]);
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('what was appended is known again after a restart', async () => {
  await withJournal(async (journal) => {
    await journal.append(INTENT);
    await journal.append(OUTCOME);
    await journal.append({ type: 'toggle', version: 3, jws: 'tt.tt.tt' });
  });
  await withJournal((journal) => {
    expect(journal.find(CMD)).toMatchObject({ digest: DIGEST, jti: JTI, outcome: 'aa.bb.cc' });
    expect([...journal.begun()]).toEqual([
      {
        cmd: CMD,
        ...{ objectGuid: CMD, by: 'admin', actor: 'key:1', op: 'reset' },
        ...{ at: Date.parse(AT), code: 'APPLIED' },
      },
    ]);
    expect([journal.seq, journal.open, journal.toggle]).toEqual([1, 0, 'tt.tt.tt']);
  });
});

test('an intent without an outcome stays open until it is answered or withdrawn', async () => {
  await withJournal(async (journal) => {
    await journal.append(INTENT);
    expect(journal.open).toBe(1);
    await journal.append({ ...REFUSAL, jti: EPOCH });
    expect(journal.open).toBe(1); // somebody else's dispatch was turned away, not this one
    await journal.append({ ...REFUSAL, seq: 2 });
    expect(journal.open).toBe(0);
    expect(journal.find(CMD)).toBeUndefined();
  });
});

test('a last line torn anywhere by a crash is cut off, and everything before it stays', async () => {
  await withJournal((journal) => journal.append(INTENT));
  const whole = await readFile(path);
  const line = encodeRecord(OUTCOME);
  for (const cut of [1, 9, 40, line.length - 1]) {
    await writeFile(path, whole);
    await appendFile(path, line.slice(0, cut));
    await withJournal((journal) => {
      expect([journal.open, journal.seq]).toEqual([1, 0]);
    });
    expect(await readFile(path)).toEqual(whole);
  }
  expect(log.of('journal.repaired')).toHaveLength(4);
});

test('damage that no crash explains is refused with the line that is damaged', async () => {
  await withJournal(async (journal) => {
    await journal.append(INTENT);
    await journal.append(OUTCOME);
  });
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"op":"reset"', '"op":"Reset"'));
  await expect(openIt()).rejects.toMatchObject({
    code: 'JOURNAL_DAMAGED',
    message: expect.stringContaining('line 2') as string,
  });
});

test('a file that is something else is refused and left as it was', async () => {
  await writeFile(path, 'not a journal\nat all\n');
  await expect(openIt()).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  expect(await readFile(path, 'utf8')).toBe('not a journal\nat all\n');
});

test('records that wait together reach the disk in the order of the calls', async () => {
  await withJournal(async (journal) => {
    const records = Array.from({ length: 50 }, (_, i) => ({ ...REFUSAL, seq: i + 1 }));
    await Promise.all(records.map((record) => journal.append(record)));
  });
  const seqs = [...(await readFile(path, 'utf8')).matchAll(/"seq":(\d+)/g)].map(([, n]) => n);
  expect(seqs).toEqual(Array.from({ length: 50 }, (_, i) => String(i + 1)));
});

test('a closed journal takes nothing, and says so', async () => {
  const journal = await openIt();
  await journal[Symbol.asyncDispose]();
  await expect(journal.append(INTENT)).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
});

test('a folder that does not exist is an error that says whose it must be', async () => {
  path = join(folder, 'missing', 'journal.jsonl');
  await expect(openIt()).rejects.toThrow(/must own the state folder/);
});

const DAY_MS = 86_400_000;
const LATER = Date.parse(AT) + 25 * 3_600_000;

function id(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

test('compacted, the journal knows what may still be asked for, and where its trail stands', async () => {
  const old = { notAfter: AT, expires: AT };
  const fresh = new Date(LATER).toISOString();
  await withJournal(async (journal) => {
    await journal.append(INTENT);
    await journal.append({ ...OUTCOME, ...{ notAfter: AT } });
    await journal.append({ ...INTENT, cmd: id(2), jti: id(12) }); // never answered
    await journal.append({ ...INTENT, cmd: id(3), jti: id(13) }); // taken back
    await journal.append({ ...REFUSAL, cmd: id(3), jti: id(13), seq: 2, expires: old.expires });
    await journal.append({ ...INTENT, cmd: id(4), jti: id(14), notAfter: fresh });
    await journal.append({ ...OUTCOME, cmd: id(4), jti: id(14), seq: 3, notAfter: fresh });
    await journal.append({ type: 'toggle', version: 3, jws: 'tt.tt.tt' });
    await journal.append({ type: 'toggle', version: 4, jws: 'uu.uu.uu' });
    await journal.append({ ...REFUSAL, jti: id(15), seq: 4, jws: 'ff.ff.ff' });
    const { head, size } = journal;
    journal.confirm(4);
    await journal.compact(LATER);
    expect(journal.size).toBeLessThan(size);
    expect((await stat(path)).size).toBe(journal.size);
    await journal.append({ ...REFUSAL, jti: id(16), seq: 5, jws: 'gg.gg.gg', expires: fresh });
    expect(head).not.toBe(journal.head);
  });
  await withJournal((journal) => {
    expect([journal.epoch, journal.seq, journal.open, journal.toggle]).toEqual([
      EPOCH,
      5,
      1,
      'uu.uu.uu',
    ]);
    expect(journal.find(CMD)).toBeUndefined();
    expect(journal.find(id(2))).toMatchObject({ jti: id(12) });
    expect(journal.find(id(3))).toBeUndefined();
    expect(journal.find(id(4))?.outcome).toBe('aa.bb.cc');
    expect([journal.refusalOf(id(15)), journal.refusalOf(id(16))]).toEqual([undefined, 'gg.gg.gg']);
    expect(journal.floor).toBe(LATER - DAY_MS);
  });
});

test('what the service may not have heard of outlives a compaction, however old it is', async () => {
  await withJournal(async (journal) => {
    for (const seq of [1, 2, 3]) {
      const jws = `r${seq}.r.r`;
      await journal.append({ ...REFUSAL, cmd: id(seq), jti: id(seq + 10), seq, jws, expires: AT });
    }
    journal.confirm(1);
    await journal.compact(LATER);
    expect(journal.signedAfter(1)).toEqual(['r2.r.r', 'r3.r.r']);
    expect(journal.signedAfter(0)).toEqual(['r2.r.r', 'r3.r.r']);
  });
  await withJournal(async (journal) => {
    await journal.compact(LATER); // before anything was heard from the service
    expect(journal.signedAfter(2)).toEqual(['r3.r.r']);
  });
});

test('what is appended while the journal is compacted is not lost, and the trail goes on unbroken', async () => {
  await withJournal(async (journal) => {
    const refusal = (seq: number): JournalRecord => ({ ...REFUSAL, jti: id(seq), seq });
    const before = Array.from({ length: 20 }, (_, i) => journal.append(refusal(i + 1)));
    const compaction = journal.compact(Date.parse(AT));
    const after = Array.from({ length: 20 }, (_, i) => journal.append(refusal(i + 21)));
    await Promise.all([...before, compaction, ...after]);
    expect(journal.seq).toBe(40);
  });
  await withJournal((journal) => {
    expect(journal.seq).toBe(40);
    for (let seq = 1; seq <= 40; seq += 1) expect(journal.refusalOf(id(seq))).toBe('aa.bb.cc');
  });
});

test('what a compaction that was cut off has left behind means nothing', async () => {
  await withJournal((journal) => journal.append(INTENT));
  await writeFile(`${path}.next`, 'half a rec');
  await withJournal(async (journal) => {
    expect(journal.open).toBe(1);
    await journal.compact(Date.parse(AT));
    expect(journal.open).toBe(1);
  });
  await expect(stat(`${path}.next`)).rejects.toMatchObject({ code: 'ENOENT' });
});
