import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../../support/errors.ts';
import { packageVersion } from '../../support/version.ts';
import { LOCAL_DISK, type Disk, type DiskFile } from './journal-disk.ts';
import { JournalError } from './journal-error.ts';
import { decodeRecord, encodeRecord, isWhole, type JournalRecord } from './journal-records.ts';

/** It is read into memory, and compacted long before it is as large as this. */
const MAX_BYTES = 256 * 2 ** 20;

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

export interface ReadRecords {
  readonly records: readonly Placed[];
  /** What follows was torn by a crash. */
  readonly validBytes: number;
  readonly tornBytes: number;
}

/**
 * Every record of the file. Rejects with `JOURNAL_DAMAGED` for damage that no crash explains, and with
 * `JOURNAL_NEWER` for a record that was written whole and is not known here.
 */
export async function readRecords(path: string, disk: Disk = LOCAL_DISK): Promise<ReadRecords> {
  const size = await disk.sizeOf(path);
  if (size > MAX_BYTES) {
    throw new JournalError(
      'JOURNAL_DAMAGED',
      `${path}: ${size} bytes are more than any journal has; move the file away and enrol again`,
    );
  }
  return parseRecords(await readFile(path), path);
}

function parseRecords(content: Buffer, path: string): ReadRecords {
  const records: Placed[] = [];
  let validBytes = 0;
  while (validBytes < content.length) {
    const end = content.indexOf(0x0a, validBytes);
    const line = content.toString('utf8', validBytes, end < 0 ? content.length : end);
    const record = end < 0 ? undefined : decodeRecord(line);
    if (record === undefined) {
      // Taken for torn, the last one would be cut off, and a write that it tells of be made again.
      if (end >= 0 && isWhole(line)) throw newer(path, records.length + 1);
      const last = end < 0 || end === content.length - 1;
      if (last) break; // the write that a crash interrupted: it was never acknowledged
      throw new JournalError(
        'JOURNAL_DAMAGED',
        `${path}: line ${records.length + 1} is damaged; restore the disk, or move the file away and enrol again`,
      );
    }
    records.push({ record, place: { offset: validBytes, length: end - validBytes } });
    validBytes = end + 1;
  }
  return { records, validBytes, tornBytes: content.length - validBytes };
}

/** What is signed at that place; undefined when something else is there, or nothing whole. */
export async function readSigned(
  file: DiskFile,
  { seq, offset, length }: SignedPlace,
): Promise<string | undefined> {
  const line = Buffer.alloc(length);
  const { bytesRead } = await file.read(line, 0, length, offset);
  const record = decodeRecord(line.toString('utf8', 0, bytesRead));
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

/** A file with its length in bytes, and where its records lie. */
export interface Written {
  readonly file: DiskFile;
  readonly size: number;
  readonly placed: readonly Placed[];
}

/**
 * Puts a journal of these records in the place of the old one, durably, and answers it open for
 * appending. Killed at any instruction, the file is whole: the old one or the new one. Rejects with
 * `JournalError` when a power cut would decide which one; after any other error the old one goes on.
 */
export async function replaceJournal(
  path: string,
  records: readonly JournalRecord[],
  disk: Disk,
): Promise<Written> {
  const { bytes, placed } = layOut(records, 0);
  await removeSuccessor(path, disk);
  const file = await disk.open(successorOf(path));
  try {
    await file.appendFile(bytes);
    await file.datasync();
    await disk.rename(successorOf(path), path);
  } catch (error) {
    await file.close();
    await removeSuccessor(path, disk); // half of it would take the room that outcomes need
    throw error;
  }
  try {
    await disk.syncFolder(dirname(path));
    return { file, size: bytes.length, placed };
  } catch (error) {
    await file.close();
    throw new JournalError(
      'JOURNAL_UNWRITABLE',
      `${path}: it was not replaced for good: ${messageOf(error)}; repair the disk, then restart the agent`,
      { cause: error },
    );
  }
}
