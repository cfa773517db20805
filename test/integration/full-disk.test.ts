import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeRecord } from '../../src/agent/commands/journal-records.ts';
import { RESERVE_BYTES } from '../../src/agent/commands/journal-reserve.ts';
import { sha256, signedHash } from '../../src/protocol/digest.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { CommandRig } from '../support/command-rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDomain } from '../support/fake-domain.ts';
import { SmallDisk } from '../support/small-disk.ts';

const RESERVE = 'journal.jsonl.reserve';

let clock: FakeClock;
let domain: FakeDomain;
let disk: SmallDisk;
let ann: string;
let rig: CommandRig;
let told: (string | undefined)[];

beforeEach(async () => {
  clock = new FakeClock();
  domain = new FakeDomain({ clock });
  disk = new SmallDisk();
  ann = domain.add();
  rig = await CommandRig.open({ directory: domain, clock, disk });
  told = [];
  rig.journal.watch(() => told.push(rig.journal.problem?.code));
});

afterEach(() => rig[Symbol.asyncDispose]());

/** The same operation in a dispatch of its own, as the service makes it. */
async function send(claims: CommandClaims): Promise<OutcomeClaims> {
  const iat = Math.floor(clock.now() / 1000);
  const signedAt = timestamp(clock.now());
  const times = { iat, exp: iat + 60, signedAt, monotonicMs: clock.monotonic() };
  const envelope = { jti: randomUUID(), sid: rig.session.id, ...times };
  return rig.send(await signToken('command', { ...claims, ...envelope }, rig.keys.service));
}

/** Something else on the machine fills the disk while the directory has the write. */
function fillDuringWrite(then: () => void | Promise<void> = () => undefined): void {
  const apply = domain.apply.bind(domain);
  domain.apply = async (...args) => {
    domain.apply = apply;
    disk.fill();
    await then();
    return apply(...args);
  };
}

async function checkChain(): Promise<number> {
  const text = await readFile(join(rig.folder, 'journal.jsonl'), 'utf8');
  let previous = sha256(rig.journal.epoch);
  let seq = 0;
  for (const line of text.trimEnd().split('\n')) {
    const record = decodeRecord(line);
    if (record?.type !== 'outcome' && record?.type !== 'refusal') continue;
    seq += 1;
    expect((await rig.verify(record.jws)).chain).toMatchObject({ seq, previous });
    previous = signedHash(record.jws);
  }
  return seq;
}

test('room for outcomes is really taken, before anything is begun', async () => {
  const { size, blocks } = await stat(join(rig.folder, RESERVE));
  expect(size).toBe(RESERVE_BYTES);
  expect(blocks * 512).toBeGreaterThanOrEqual(RESERVE_BYTES);
});

test('a disk that fills up during a write does not cost the outcome', async () => {
  fillDuringWrite();
  const { outcome } = await rig.order({ objectGuid: ann });
  expect(outcome.code).toBe('APPLIED');
  expect(told).toEqual(['JOURNAL_FULL']);
  await rig.stop();
  rig = await CommandRig.open({ directory: domain, clock, disk, after: rig });
  expect([rig.journal.seq, rig.journal.open]).toEqual([1, 0]);
  expect(await checkChain()).toBe(1);
});

test('on a full disk nothing is begun, and the refusal leaves nothing behind', async () => {
  disk.fill();
  const answer = await rig.order({ objectGuid: ann });
  expect(answer.outcome.code).toBe('BUSY');
  const { size } = rig.journal;
  const again = await rig.order({ objectGuid: ann });
  expect(again).toMatchObject({ outcome: { code: 'BUSY', retry: 'later' } });
  expect(again.chain).toBeUndefined();
  expect(again.outcome.message).toMatch(/disk/);
  expect([domain.written.length, rig.journal.size, rig.journal.open]).toEqual([0, size, 0]);
  expect(rig.journal.problem?.message).toMatch(/the disk is full; make room/);
});

test('with room again the agent goes on by itself, with the same operation', async () => {
  disk.fill();
  const claims = await rig.claims({ objectGuid: ann });
  await send(claims);
  disk.room = RESERVE_BYTES - 1;
  await rig.journal.makeRoom();
  expect((await send(claims)).outcome.code).toBe('BUSY');
  disk.room += 64 * 1024;
  await rig.journal.makeRoom();
  expect(told).toEqual(['JOURNAL_FULL', undefined]);
  expect((await send(claims)).outcome.code).toBe('APPLIED');
  expect(domain.written).toHaveLength(1);
  await checkChain();
});

test('half a line on a full disk is taken back, so that the next start reads the journal', async () => {
  disk.room = 100;
  await rig.order({ objectGuid: ann });
  const text = await readFile(join(rig.folder, 'journal.jsonl'), 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  expect(
    text
      .trimEnd()
      .split('\n')
      .every((line) => decodeRecord(line) !== undefined),
  ).toBe(true);
  expect(text.length).toBe(rig.journal.size);
});

test('an outcome that finds no room at all is not told; asked again with room, it is found out', async () => {
  fillDuringWrite(() => {
    disk.room = -RESERVE_BYTES; // what is freed is gone at once
  });
  const claims = await rig.claims({ objectGuid: ann });
  await expect(send(claims)).rejects.toMatchObject({ code: 'JOURNAL_FULL', retryable: true });
  expect(rig.journal.open).toBe(1);
  disk.room = 2 * RESERVE_BYTES;
  await rig.journal.makeRoom();
  expect((await send(claims)).outcome).toMatchObject({ code: 'APPLIED', inferred: true });
  expect(domain.written).toHaveLength(1);
  const next = await rig.order({ objectGuid: ann, op: 'unlock' });
  expect(next.chain?.seq).toBe(2);
  await checkChain();
});

test('on a full disk a lost write is found out, and what was surely not made is not made now', async () => {
  domain.befall('never-arrives');
  fillDuringWrite(async () => {
    // Whatever takes some of the room for outcomes: from then on no write is begun in it.
    await rig.toggle.offer(await rig.toggleStatement(2, true));
    expect(rig.journal.problem?.code).toBe('JOURNAL_FULL');
  });
  const claims = await rig.claims({ objectGuid: ann });
  const answer = await send(claims);
  // Surely not made, and not made now: the operation may be handed over again.
  expect([answer.outcome.code, domain.written.length]).toEqual(['BUSY', 0]);
  disk.room = 2 * RESERVE_BYTES;
  await rig.journal.makeRoom();
  expect((await send(claims)).outcome.code).toBe('APPLIED');
  expect(domain.written).toHaveLength(1);
});

test('the agent starts on a full disk, and takes nothing until there is room', async () => {
  await rig.stop();
  await disk.remove(join(rig.folder, RESERVE));
  disk.fill();
  rig = await CommandRig.open({ directory: domain, clock, disk, after: rig });
  expect(rig.journal.problem?.code).toBe('JOURNAL_FULL');
  expect((await rig.order({ objectGuid: ann })).outcome.code).toBe('BUSY');
  expect(domain.written).toHaveLength(0);
});

test('a pause that the service orders is kept, full disk or not', async () => {
  disk.fill();
  await rig.order({ objectGuid: ann });
  await rig.toggle.offer(await rig.toggleStatement(2, false));
  expect(rig.toggle.state).toMatchObject({ version: 2, enabled: false });
});

test('a compaction that finds no room leaves the old journal, and no half of a new one', async () => {
  await rig.order({ objectGuid: ann });
  disk.room = 10;
  await expect(rig.journal.compact(clock.now())).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(disk.room).toBe(10);
  expect(rig.journal.problem).toBeUndefined();
  disk.room = RESERVE_BYTES;
  expect((await rig.order({ objectGuid: ann })).outcome.code).toBe('APPLIED');
});

test('a defective disk is no full one: it stays down until the file has been read again', async () => {
  disk.defective = true;
  await expect(rig.order({ objectGuid: ann })).rejects.toMatchObject({
    code: 'JOURNAL_UNWRITABLE',
    retryable: false,
  });
  disk.defective = false;
  await rig.journal.makeRoom();
  expect(told).toEqual(['JOURNAL_UNWRITABLE']);
  expect(rig.journal.problem?.message).toMatch(/repair the disk, then restart the agent/);
  expect(domain.written).toHaveLength(0);
});
