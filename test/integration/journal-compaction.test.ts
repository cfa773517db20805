import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Disk } from '../../src/agent/commands/journal-disk.ts';
import { openJournal, type Journal } from '../../src/agent/commands/journal.ts';
import type { JournalRecord } from '../../src/agent/commands/journal-records.ts';
import { sha256, signedHash } from '../../src/protocol/digest.ts';
import { AT, CMD, EPOCH, INTENT, JTI, OUTCOME, REFUSAL, id } from '../support/journal-samples.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { WindowsDisk } from '../support/windows-disk.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-journal-'));
  path = join(folder, 'journal.jsonl');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function withJournal<T>(work: (journal: Journal) => Promise<T> | T, disk?: Disk): Promise<T> {
  const log = new MemoryLog();
  await using journal = await openJournal({
    path,
    now: () => Date.parse(AT),
    uuid: () => EPOCH,
    log,
    ...(disk !== undefined && { disk }),
  });
  return await work(journal);
}

const LATER = Date.parse(AT) + 25 * 3_600_000;

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
  await withJournal(async (journal) => {
    expect([journal.epoch, journal.seq, journal.open, journal.toggle]).toEqual([
      EPOCH,
      5,
      1,
      'uu.uu.uu',
    ]);
    expect(journal.find(CMD)).toBeUndefined();
    expect(journal.find(id(2))).toMatchObject({ jti: id(12) });
    expect(journal.find(id(3))).toBeUndefined();
    expect(await journal.outcomeOf(id(4))).toBe('aa.bb.cc');
    expect(journal.refusalOf(id(15))).toBeUndefined();
    expect(await journal.refusalOf(id(16))).toBe('gg.gg.gg');
    expect(journal.floor).toBe(Date.parse(AT)); // the newest of what was forgotten
  });
});

/** What a journal can still hand over, oldest first. */
function signedAfter(journal: Journal, seq: number): Promise<readonly (string | undefined)[]> {
  return Promise.all(journal.signedAfter(seq).map((number) => journal.signed(number)));
}

/** Everything that a journal answers about some operations and dispatches. */
async function answersOf(journal: Journal, ids: readonly string[]): Promise<object> {
  const { epoch, seq, head, floor, toggle, openIntents, size } = journal;
  return {
    ...{ epoch, seq, head, floor, toggle, openIntents, size },
    signed: await signedAfter(journal, 0),
    begun: [...journal.begun()],
    operations: ids.map((cmd) => journal.find(cmd)),
    outcomes: await Promise.allSettled(ids.map((cmd) => journal.outcomeOf(cmd))),
    refusals: await Promise.all(ids.map(async (jti) => journal.refusalOf(jti))),
  };
}

test('a journal that was just compacted answers as one that was opened again does', async () => {
  const fresh = new Date(LATER).toISOString();
  const ids = [CMD, ...Array.from({ length: 20 }, (_, i) => id(i))];
  const kept = { ...INTENT, cmd: id(3), jti: id(13), notAfter: fresh };
  const live = await withJournal(async (journal) => {
    await journal.append(INTENT);
    await journal.append(OUTCOME);
    await journal.append({ ...INTENT, cmd: id(2), jti: id(12) }); // never answered
    await journal.append(kept);
    await journal.append({ ...OUTCOME, cmd: id(3), jti: id(13), seq: 2, notAfter: fresh });
    await journal.append({ ...REFUSAL, cmd: id(4), jti: id(14), seq: 3, expires: fresh });
    await journal.append({ type: 'toggle', version: 3, jws: 'tt.tt.tt' });
    await journal.append({ ...REFUSAL, cmd: id(5), jti: id(15), seq: 4, jws: 'ff.ff.ff' });
    // Old, too, but the service may not have heard of it.
    await journal.append({ ...INTENT, cmd: id(6), jti: id(16) });
    await journal.append({ ...OUTCOME, cmd: id(6), jti: id(16), seq: 5, jws: 'gg.gg.gg' });
    journal.confirm(4);
    await journal.compact(LATER);
    expect([journal.find(CMD), journal.refusalOf(id(15))]).toEqual([undefined, undefined]);
    expect(await journal.outcomeOf(id(3))).toBe('aa.bb.cc');
    expect([...journal.begun()].map(({ cmd, code }) => [cmd, code])).toEqual([
      [id(2), undefined],
      [id(3), 'APPLIED'],
    ]);
    expect(await journal.refusalOf(id(14))).toBe('aa.bb.cc');
    expect(journal.openIntents.map(({ cmd }) => cmd)).toEqual([id(2)]);
    expect(journal.signedAfter(0)).toEqual([2, 3, 5]);
    expect([journal.seq, journal.head]).toEqual([5, signedHash('gg.gg.gg')]);
    expect(journal.floor).toBe(Date.parse(AT)); // the newest of what was forgotten
    return answersOf(journal, ids);
  });
  expect(await withJournal((journal) => answersOf(journal, ids))).toEqual(live);
});

test('a journal of which nothing is left still knows its epoch and where its trail stands', async () => {
  const live = await withJournal(async (journal) => {
    const { head } = journal;
    expect(head).toBe(sha256(EPOCH));
    await journal.append(INTENT);
    await journal.append(OUTCOME);
    journal.confirm(1);
    await journal.compact(LATER);
    expect([journal.seq, journal.head, journal.signedAfter(0)]).toEqual([
      1,
      signedHash(OUTCOME.jws),
      [],
    ]);
    return answersOf(journal, [CMD]);
  });
  expect(await withJournal((journal) => answersOf(journal, [CMD]))).toEqual(live);
});

test('what the service may not have heard of outlives a compaction, however old it is', async () => {
  await withJournal(async (journal) => {
    for (const seq of [1, 2, 3]) {
      const jws = `r${seq}.r.r`;
      await journal.append({ ...REFUSAL, cmd: id(seq), jti: id(seq + 10), seq, jws, expires: AT });
    }
    journal.confirm(1);
    await journal.compact(LATER);
    expect(await signedAfter(journal, 1)).toEqual(['r2.r.r', 'r3.r.r']);
    expect(await signedAfter(journal, 0)).toEqual(['r2.r.r', 'r3.r.r']);
  });
  await withJournal(async (journal) => {
    await journal.compact(LATER); // before anything was heard from the service
    expect(await signedAfter(journal, 2)).toEqual(['r3.r.r']);
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
  await withJournal(async (journal) => {
    expect(journal.seq).toBe(40);
    for (let seq = 1; seq <= 40; seq += 1) {
      expect(await journal.refusalOf(id(seq))).toBe('aa.bb.cc');
    }
  });
});

test('a journal of several megabytes keeps, over a compaction and a start, exactly what it should', async () => {
  const fresh = new Date(LATER).toISOString();
  const jws = (seq: number): string => `s${seq}.${'p'.repeat(1000 + (seq % 700))}.s`;
  const seqs = Array.from({ length: 3000 }, (_, i) => i + 1);
  const isKept = (seq: number): boolean => seq % 3 === 0 || seq > 1500;
  const live = await withJournal(async (journal) => {
    await Promise.all(
      seqs.map((seq) => {
        const expires = isKept(seq) ? fresh : AT;
        return journal.append({ ...REFUSAL, jti: id(seq), seq, jws: jws(seq), expires });
      }),
    );
    journal.confirm(3000);
    await journal.compact(LATER);
    expect(journal.signedAfter(0)).toEqual(seqs.filter(isKept));
    expect(await signedAfter(journal, 0)).toEqual(seqs.filter(isKept).map(jws));
    return answersOf(journal, []);
  });
  expect(await withJournal((journal) => answersOf(journal, []))).toEqual(live);
});

test('a compaction finds a record that the disk has damaged since, forgets nothing, and takes nothing new', async () => {
  await withJournal(async (journal) => {
    await journal.append(INTENT);
    await journal.append({ ...OUTCOME, jws: 'last.last.last' });
    const whole = await readFile(path);
    const rotten = Buffer.from(whole);
    rotten[rotten.indexOf('last.last.last')] = 0x4c;
    await writeFile(path, rotten);
    await expect(journal.compact(LATER)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
    expect(await readFile(path)).toEqual(rotten);
    await expect(journal.append({ ...INTENT, cmd: id(2) })).rejects.toMatchObject({
      code: 'JOURNAL_DAMAGED',
    });
  });
});

test.each([
  ['first', [3, 1, 2]],
  ['last', [1, 2, 3]],
])('of what is forgotten the one that ends last counts, also when it came %s', async (_, ends) => {
  const endOf = (minutes: number): number => Date.parse(AT) + minutes * 60_000;
  await withJournal(async (journal) => {
    for (const [at, minutes] of ends.entries()) {
      const notAfter = new Date(endOf(minutes)).toISOString();
      const command = { cmd: id(20 + at), jti: id(30 + at), notAfter };
      await journal.append({ ...INTENT, ...command });
      await journal.append({ ...OUTCOME, ...command, seq: at + 1 });
    }
    journal.confirm(ends.length);
    await journal.compact(LATER);
    expect(journal.find(id(20))).toBeUndefined();
    expect(journal.floor).toBe(endOf(3));
  });
});

test('what may have been forgotten is told by what was, and does not come back when the clock does', async () => {
  const fresh = new Date(LATER).toISOString();
  await withJournal(async (journal) => {
    await journal.append({ ...INTENT, notAfter: fresh });
    await journal.append({ ...OUTCOME, notAfter: fresh });
    journal.confirm(1);
    await journal.compact(LATER); // nothing is old enough
    expect(journal.floor).toBe(-Infinity);
    await journal.compact(LATER + 2 * 86_400_000); // by a clock that has leapt
    expect([journal.find(CMD), journal.floor]).toEqual([undefined, LATER]);
    await journal.compact(LATER);
    expect(journal.floor).toBe(LATER);
  });
  await withJournal((journal) => {
    expect(journal.floor).toBe(LATER);
  });
});

describe('on a disk that replaces no file which somebody has open, as Windows does', () => {
  test('a journal is compacted, and answers and takes records meanwhile', async () => {
    const disk = new WindowsDisk();
    await withJournal(async (journal) => {
      const refusal = (seq: number): JournalRecord => ({
        ...REFUSAL,
        ...{ jti: id(seq), seq, jws: `r${seq}.r.r` },
      });
      for (const seq of [1, 2, 3]) await journal.append(refusal(seq));
      const over = new AbortController();
      const asking = (async () => {
        while (!over.signal.aborted) expect(await journal.refusalOf(id(2))).toBe('r2.r.r');
      })();
      for (let round = 0; round < 10; round += 1) {
        await Promise.all([journal.compact(Date.parse(AT)), journal.append(refusal(4 + round))]);
      }
      over.abort();
      await asking;
      expect(await signedAfter(journal, 10)).toEqual(['r11.r.r', 'r12.r.r', 'r13.r.r']);
    }, disk);
    await withJournal(async (journal) => {
      expect(journal.seq).toBe(13);
    }, disk);
  });

  test('one that cannot be replaced all the same goes on as it was', async () => {
    const disk = new WindowsDisk();
    await withJournal(async (journal) => {
      await journal.append(REFUSAL);
      disk.isHeldByAnother = true;
      await expect(journal.compact(Date.parse(AT))).rejects.toMatchObject({ code: 'EPERM' });
      expect(await journal.refusalOf(JTI)).toBe('aa.bb.cc');
      await journal.append({ ...REFUSAL, jti: id(2), seq: 2, jws: 'bb.bb.bb' });
      expect(await journal.refusalOf(id(2))).toBe('bb.bb.bb');
      disk.isHeldByAnother = false;
      await journal.compact(Date.parse(AT));
      expect(await signedAfter(journal, 0)).toEqual(['aa.bb.cc', 'bb.bb.bb']);
    }, disk);
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
