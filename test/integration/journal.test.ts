import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal, type Journal } from '../../src/agent/commands/journal.ts';
import { encodeRecord } from '../../src/agent/commands/journal-records.ts';
import {
  AT,
  CMD,
  DIGEST,
  EPOCH,
  INTENT,
  JTI,
  OUTCOME,
  REFUSAL,
  id,
} from '../support/journal-samples.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { SmallDisk } from '../support/small-disk.ts';

let folder: string;
let path: string;
let log: MemoryLog;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-journal-'));
  path = join(folder, 'journal.jsonl');
  log = new MemoryLog();
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function openIt(disk?: SmallDisk): Promise<Journal> {
  const onDisk = disk !== undefined && { disk };
  return openJournal({ path, now: () => Date.parse(AT), uuid: () => EPOCH, log, ...onDisk });
}

async function withJournal(work: (journal: Journal) => Promise<void> | void): Promise<void> {
  await using journal = await openIt();
  await work(journal);
}

test('a new journal begins with its epoch, in a file that only its owner reads', async () => {
  await withJournal((journal) => {
    expect([journal.epoch, journal.seq, journal.open]).toEqual([EPOCH, 0, 0]);
    expect(journal.floor).toBe(-Infinity); // nothing has been forgotten
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('what was appended is known again after a restart', async () => {
  await withJournal(async (journal) => {
    await journal.append(INTENT);
    await journal.append(OUTCOME);
    await journal.append({ type: 'toggle', version: 3, jws: 'tt.tt.tt' });
  });
  await withJournal(async (journal) => {
    expect(journal.find(CMD)).toMatchObject({ digest: DIGEST, jti: JTI });
    expect(await journal.outcomeOf(CMD)).toBe('aa.bb.cc');
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

test('a record that could not be read again is refused, and nothing of it is written', async () => {
  await withJournal(async (journal) => {
    const { size } = journal;
    const word = { ...INTENT, pwdLastSet: '9'.repeat(30) };
    await expect(journal.append(word)).rejects.toThrow(TypeError);
    expect([journal.size, journal.open, journal.problem]).toEqual([size, 0, undefined]);
    await journal.append(INTENT);
  });
  await withJournal((journal) => {
    expect(journal.open).toBe(1);
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

test('a refusal of a dispatch that was carried out takes nothing back', async () => {
  await withJournal(async (journal) => {
    await journal.append(INTENT);
    await journal.append(OUTCOME);
    await journal.append({ ...REFUSAL, seq: 2 });
    expect(journal.find(CMD)?.intent).toBeUndefined();
    expect(await journal.outcomeOf(CMD)).toBe('aa.bb.cc');
    expect([...journal.begun()]).toMatchObject([{ cmd: CMD, code: 'APPLIED' }]);
  });
});

test('what is open on an account is every write on it without an outcome, and no other', async () => {
  const onAnother = { ...INTENT, cmd: id(2), jti: id(12), objectGuid: id(22) };
  const again = { ...INTENT, cmd: id(3), jti: id(13) };
  const answered = { ...INTENT, cmd: id(4), jti: id(14) };
  await withJournal(async (journal) => {
    for (const intent of [INTENT, onAnother, again, answered]) await journal.append(intent);
    await journal.append({ ...OUTCOME, cmd: id(4), jti: id(14) });
    expect(journal.openIntents).toEqual([INTENT, onAnother, again]);
    expect(journal.openOn(INTENT.objectGuid)).toEqual([INTENT, again]);
    expect(journal.openOn(id(22))).toEqual([onAnother]);
    expect(journal.openOn(id(99))).toEqual([]);
  });
});

test('what was begun are writes only, those without an outcome too', async () => {
  await withJournal(async (journal) => {
    await journal.append({ ...OUTCOME, cmd: id(2), jti: id(12) }); // answered without a write
    await journal.append(INTENT);
    const { cmd, objectGuid, by, actor, op } = INTENT;
    expect([...journal.begun()]).toStrictEqual([
      { cmd, objectGuid, by, actor, op, at: Date.parse(AT) },
    ]);
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
  expect(log.of('journal.repaired').map(({ fields }) => fields)).toEqual(
    [1, 9, 40, line.length - 1].map((cutBytes) => ({ path, cutBytes })),
  );
});

test('however many zeros a power cut has left at the end, they are cut off', async () => {
  await withJournal((journal) => journal.append(OUTCOME));
  const before = await readFile(path);
  await appendFile(path, Buffer.alloc(600 * 1024));
  await withJournal((journal) => {
    expect(journal.seq).toBe(1);
  });
  expect(await readFile(path)).toEqual(before);
});

test('zeros in the middle are damage, however many', async () => {
  await withJournal((journal) => journal.append(OUTCOME));
  await appendFile(path, Buffer.alloc(600 * 1024));
  await appendFile(path, `\n${encodeRecord(REFUSAL)}`);
  await expect(openIt()).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
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

test.each(['at the end', 'in the middle'])(
  'a record of a newer agent %s is refused, never taken for torn',
  async (where) => {
    await withJournal((journal) => journal.append(OUTCOME));
    const later = JSON.stringify({ ...INTENT, 'x-later': true });
    await appendFile(path, `${crc32(later).toString(16).padStart(8, '0')} ${later}\n`);
    if (where === 'in the middle') await appendFile(path, encodeRecord(REFUSAL));
    const before = await readFile(path);
    await expect(openIt()).rejects.toMatchObject({
      code: 'JOURNAL_NEWER',
      message: expect.stringContaining('line 3 is of a newer passback') as string,
    });
    expect(await readFile(path)).toEqual(before);
  },
);

test('a journal without its beginning is refused: which life of the agent it tells of is not known', async () => {
  const text = encodeRecord(INTENT) + encodeRecord(OUTCOME);
  await writeFile(path, text);
  await expect(openIt()).rejects.toMatchObject({
    code: 'JOURNAL_DAMAGED',
    message: `${path}: does not begin with an epoch`,
  });
  expect(await readFile(path, 'utf8')).toBe(text);
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
  await expect(openIt()).rejects.toMatchObject({
    code: 'JOURNAL_UNWRITABLE',
    message: expect.stringContaining('must own the state folder') as string,
    cause: { code: 'ENOENT' },
  });
});

test('whoever hears that a record did not reach the disk finds it counted, and why', async () => {
  const disk = new SmallDisk();
  await using journal = await openIt(disk);
  const heard: (string | undefined)[] = [];
  journal.watch(() => heard.push(journal.problem?.code));
  expect([journal.lost, journal.problem]).toEqual([0, undefined]);
  disk.defective = true;
  const lost = await journal.append(REFUSAL).catch(() => journal.lost);
  expect([lost, journal.problem?.code]).toEqual([1, 'JOURNAL_UNWRITABLE']);
  expect(heard).toEqual(['JOURNAL_UNWRITABLE']);
  expect([journal.seq, journal.signedAfter(0)]).toEqual([0, []]);
});

test('a journal on a full disk takes what was begun only, until there is room again', async () => {
  const disk = new SmallDisk();
  await using journal = await openIt(disk);
  await journal.append(INTENT);
  disk.fill();
  await journal.append(OUTCOME); // into the room that was kept for it
  const next = { ...INTENT, cmd: id(2), jti: id(12) };
  await expect(journal.append(next)).rejects.toBe(journal.problem);
  expect(journal.problem?.code).toBe('JOURNAL_FULL');
  disk.room = Number.POSITIVE_INFINITY;
  await journal.makeRoom();
  expect(journal.problem).toBeUndefined();
  await journal.append(next);
  expect(journal.openIntents).toEqual([next]);
});
