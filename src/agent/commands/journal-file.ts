import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, type Fault } from '../../support/errors.ts';
import { syncFolder } from '../../support/files.ts';
import { decodeRecord, encodeRecord, type JournalRecord } from './journal-records.ts';

export class JournalError extends Error implements Fault {
  override readonly name = 'JournalError';
  readonly code: 'JOURNAL_DAMAGED' | 'JOURNAL_UNWRITABLE';
  readonly retryable = false;

  constructor(code: JournalError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Opens the file for reading and appending, and creates it for its owner only. */
export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+', 0o600);
  } catch (error) {
    throw new JournalError(
      'JOURNAL_UNWRITABLE',
      `${path}: ${messageOf(error)}; the account that runs the agent must own the state folder`,
      { cause: error },
    );
  }
}

/** Its records, and how many bytes of it they are: what follows was torn by a crash. */
export function readRecords(
  content: Buffer,
  path: string,
): { records: JournalRecord[]; validBytes: number } {
  const records: JournalRecord[] = [];
  let validBytes = 0;
  while (validBytes < content.length) {
    const end = content.indexOf(0x0a, validBytes);
    const line = content.toString('utf8', validBytes, end < 0 ? content.length : end);
    const record = end < 0 ? undefined : decodeRecord(line);
    if (record === undefined) {
      const last = end < 0 || end === content.length - 1;
      if (last) break; // the write that a crash interrupted: it was never acknowledged
      throw new JournalError(
        'JOURNAL_DAMAGED',
        `${path}: line ${records.length + 1} is damaged; restore the disk, or move the file away and enrol again`,
      );
    }
    records.push(record);
    validBytes = end + 1;
  }
  return { records, validBytes };
}

/** The successor of a journal while it is written; one that a crash left behind means nothing. */
const successorOf = (path: string): string => `${path}.next`;

/** Deletes what a compaction that was cut off has left. */
export function removeSuccessor(path: string): Promise<void> {
  return rm(successorOf(path), { force: true });
}

/**
 * Puts a journal of these records in the place of the old one, durably, and answers it open for
 * appending. Killed at any instruction, the file is whole: the old one or the new one.
 */
export async function replaceJournal(
  path: string,
  records: readonly JournalRecord[],
): Promise<FileHandle> {
  await removeSuccessor(path);
  const file = await openFile(successorOf(path));
  try {
    await file.appendFile(records.map(encodeRecord).join(''));
    await file.sync();
    await rename(successorOf(path), path);
    await syncFolder(dirname(path));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
