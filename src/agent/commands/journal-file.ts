import { dirname } from 'node:path';
import { messageOf } from '../../support/errors.ts';
import { packageVersion } from '../../support/version.ts';
import type { Disk, DiskFile } from './journal-disk.ts';
import { JournalError } from './journal-error.ts';
import { decodeRecord, encodeRecord, isWhole, type JournalRecord } from './journal-records.ts';

/** Read at a time: a day's journal in one piece would take several times its size of memory. No line is longer. */
const PIECE_BYTES = 256 * 2 ** 10;
const NEWLINE = 0x0a;

/** Where a record lies in the file, in bytes and without its newline. */
export interface Place {
  readonly offset: number;
  readonly length: number;
}

/** Where the signed outcome or refusal of a number lies. */
export interface SignedPlace extends Place {
  readonly seq: number;
}

export interface Placed {
  readonly record: JournalRecord;
  readonly place: Place;
}

export interface Scanned {
  readonly records: number;
  /** What follows was torn by a crash. */
  readonly validBytes: number;
  readonly tornBytes: number;
}

/** What of a file is read. */
export interface Extent {
  readonly file: Pick<DiskFile, 'read'>;
  /** For messages. */
  readonly path: string;
  /** In bytes; what follows is not looked at. */
  readonly size: number;
}

/**
 * Hands over every record of the file, in order, holding no more than a piece of it; an epoch is the
 * first. Rejects with `JOURNAL_DAMAGED` for damage that no crash explains, and with `JOURNAL_NEWER` for a record that was
 * written whole and is not known here.
 */
export async function scanRecords(
  extent: Extent,
  visit: (placed: Placed) => void,
): Promise<Scanned> {
  const { file, path, size } = extent;
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, size));
  let records = 0;
  let validBytes = 0;
  while (validBytes < size) {
    const length = Math.min(piece.length, size - validBytes);
    const bytes = await readPiece(file, piece.subarray(0, length), validBytes);
    const isLast = validBytes + bytes.length === size;
    let begin = 0;
    for (let end; (end = bytes.indexOf(NEWLINE, begin)) >= 0; begin = end + 1) {
      const record = decode(bytes.toString('utf8', begin, end), path, records + 1);
      if (record === undefined) {
        if (isLast && end === bytes.length - 1) break;
        throw damaged(path, records + 1);
      }
      if (records === 0 && record.type !== 'epoch') throw notBegun(path);
      visit({ record, place: { offset: validBytes + begin, length: end - begin } });
      records += 1;
    }
    validBytes += begin;
    // What is left is the write that a crash interrupted: it was never acknowledged.
    if (isLast || (begin === 0 && !(await hasNewline(extent, validBytes + bytes.length)))) break;
    if (begin === 0) throw damaged(path, records + 1);
  }
  return { records, validBytes, tornBytes: size - validBytes };
}

/** The record of a line; undefined when it is damaged, or torn. Throws for one of a newer agent. */
function decode(text: string, path: string, line: number): JournalRecord | undefined {
  const record = decodeRecord(text);
  // Taken for torn, the last one would be cut off, and a write that it tells of be made again.
  if (record === undefined && isWhole(text)) throw newer(path, line);
  return record;
}

/** Whether a line ends from `position` on: a crash can leave more zeros than any line has bytes. */
async function hasNewline({ file, size }: Extent, position: number): Promise<boolean> {
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let at = position; at < size;) {
    const bytes = await readPiece(file, piece.subarray(0, Math.min(piece.length, size - at)), at);
    if (bytes.includes(NEWLINE)) return true;
    if (bytes.length === 0) return false;
    at += bytes.length;
  }
  return false;
}

/** Fills `into` from `position` on; shorter where the file ends before. */
async function readPiece(
  file: Pick<DiskFile, 'read'>,
  into: Buffer,
  position: number,
): Promise<Buffer> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return into.subarray(0, filled);
}

/** What is signed at that place; undefined when something else is there, or nothing whole. */
export async function readSigned(
  file: Pick<DiskFile, 'read'>,
  { seq, offset, length }: SignedPlace,
): Promise<string | undefined> {
  const line = await readPiece(file, Buffer.alloc(length), offset);
  const record = decodeRecord(line.toString('utf8'));
  if (record?.type !== 'outcome' && record?.type !== 'refusal') return undefined;
  return record.seq === seq ? record.jws : undefined;
}

export interface LaidOut {
  readonly bytes: Buffer;
  readonly placed: readonly Placed[];
}

/** The bytes of these records, and where each lies once they are written from `offset` on. */
export function layOut(records: readonly JournalRecord[], offset: number): LaidOut {
  const lines: string[] = [];
  const placed: Placed[] = [];
  let end = offset;
  for (const record of records) {
    const line = encodeRecord(record);
    const length = Buffer.byteLength(line);
    placed.push({ record, place: { offset: end, length: length - 1 } });
    lines.push(line);
    end += length;
  }
  return { bytes: Buffer.from(lines.join('')), placed };
}

function damaged(path: string, line: number): JournalError {
  return new JournalError(
    'JOURNAL_DAMAGED',
    `${path}: line ${line} is damaged; restore the disk, or move the file away and enrol again`,
  );
}

function notBegun(path: string): JournalError {
  return new JournalError('JOURNAL_DAMAGED', `${path}: does not begin with an epoch`);
}

function newer(path: string, line: number): JournalError {
  return new JournalError(
    'JOURNAL_NEWER',
    `${path}: line ${line} is of a newer passback than ${packageVersion()}: install that one again. Nothing was changed`,
  );
}

/** The successor of a journal while it is written; one that a crash left behind means nothing. */
const successorOf = (path: string): string => `${path}.next`;

/** Deletes what a compaction that was cut off has left. */
export function removeSuccessor(path: string, disk: Disk): Promise<void> {
  return disk.remove(successorOf(path));
}

/** What a journal is to consist of: a new first record, and these lines of the old file in their order. */
export interface Successor {
  readonly first: JournalRecord;
  readonly kept: readonly Place[];
}

export interface Written {
  readonly file: DiskFile;
  /** In bytes. */
  readonly size: number;
  readonly first: Placed;
}

/**
 * Puts `successor` in the place of the journal `old` at `path`, durably, and answers it open for
 * appending. `letGo` closes the old one first: Windows replaces no file that is open. Killed at any
 * instruction, the file is whole: the old one or the new one. Rejects with `JournalError` when a power
 * cut would decide which one, or when a line is not as it was written; after any other error the old
 * one is still there, and has to be opened again where it was let go of.
 */
export async function replaceJournal(
  old: Pick<DiskFile, 'read'>,
  path: string,
  { successor, letGo }: { readonly successor: Successor; readonly letGo: () => Promise<void> },
  disk: Disk,
): Promise<Written> {
  await removeSuccessor(path, disk);
  const file = await disk.open(successorOf(path));
  const { bytes, placed } = layOut([successor.first], 0);
  const [first] = placed as readonly [Placed];
  let size = bytes.length;
  try {
    await file.appendFile(bytes);
    for await (const lines of readLines(old, path, successor.kept)) {
      await file.appendFile(lines);
      size += lines.length;
    }
    await file.datasync();
    await letGo();
    await disk.rename(successorOf(path), path);
  } catch (error) {
    await file.close();
    await removeSuccessor(path, disk); // half of it would take the room that outcomes need
    throw error;
  }
  try {
    await disk.syncFolder(dirname(path));
    return { file, size, first };
  } catch (error) {
    await file.close();
    throw new JournalError(
      'JOURNAL_UNWRITABLE',
      `${path}: it was not replaced for good: ${messageOf(error)}; repair the disk, then restart the agent`,
      { cause: error },
    );
  }
}

/** The bytes of these lines, each with its newline; what was answered lasts until the next is asked for. */
async function* readLines(
  file: Pick<DiskFile, 'read'>,
  path: string,
  lines: readonly Place[],
): AsyncGenerator<Buffer> {
  const piece = Buffer.alloc(PIECE_BYTES);
  for (const run of runsOf(lines)) {
    const begin = run[0].offset;
    const last = run.at(-1) ?? run[0];
    const bytes = await readPiece(
      file,
      piece.subarray(0, last.offset + last.length + 1 - begin),
      begin,
    );
    for (const { offset, length } of run) {
      if (isWholeAt(bytes, offset - begin, length)) continue;
      throw new JournalError(
        'JOURNAL_DAMAGED',
        `${path}: the record at byte ${offset} is damaged; restore the disk, or move the file away and enrol again`,
      );
    }
    yield bytes;
  }
}

/** Lines that lie side by side, as many as fit into one piece. */
function* runsOf(lines: readonly Place[]): Generator<readonly [Place, ...Place[]]> {
  let run: [Place, ...Place[]] | undefined;
  let end = 0;
  for (const line of lines) {
    const next = line.offset + line.length + 1;
    if (run !== undefined && line.offset === end && next - run[0].offset <= PIECE_BYTES) {
      run.push(line);
    } else {
      if (run !== undefined) yield run;
      run = [line];
    }
    end = next;
  }
  if (run !== undefined) yield run;
}

function isWholeAt(bytes: Buffer, offset: number, length: number): boolean {
  const end = offset + length;
  return bytes[end] === NEWLINE && isWhole(bytes.toString('utf8', offset, end));
}
