import { open, type FileHandle } from 'node:fs/promises';
import type { OutcomeCode } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { sha256, signedHash } from '../../protocol/canonical.ts';
import { messageOf, type Fault } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { decodeRecord, encodeRecord, JournalRecord, type Intent } from './journal-records.ts';

export class JournalError extends Error implements Fault {
  override readonly name = 'JournalError';
  readonly code: 'JOURNAL_DAMAGED' | 'JOURNAL_UNWRITABLE';
  readonly retryable = false;

  constructor(code: JournalError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What the journal knows of an operation. Without an outcome its write may or may not have happened. */
export interface KnownCommand {
  readonly digest: string;
  /** The dispatch that it was last begun or answered for. */
  readonly jti: string;
  readonly outcome?: string;
  /** Its newest write; absent when it was answered without one. */
  readonly intent?: Intent;
  readonly code?: OutcomeCode;
}

/** A write that was begun, and what came of it where that is known: what rate limits count. */
export interface Begun extends Pick<Intent, 'cmd' | 'objectGuid' | 'by' | 'actor' | 'op'> {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly code?: OutcomeCode;
}

export interface JournalOptions {
  readonly path: string;
  readonly now: () => number;
  readonly uuid: () => string;
  readonly log: Logger;
}

interface Pending {
  readonly record: JournalRecord;
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

/**
 * Opens (or begins) the journal and reads it. A line torn by a crash at the very end is cut off;
 * damage anywhere else rejects with `JournalError`: what was forgotten could be done twice.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { path, log } = options;
  const file = await openFile(path);
  try {
    const content = await file.readFile();
    const { records, validBytes } = readRecords(content, path);
    if (validBytes < content.length) {
      await file.truncate(validBytes);
      await file.datasync();
      log.warn('journal.repaired', { path, cutBytes: content.length - validBytes });
    }
    const journal = new Journal(file, path);
    const first = records[0];
    if (first === undefined) {
      await journal.append({ type: 'epoch', epoch: options.uuid(), at: timestamp(options.now()) });
    } else if (first.type !== 'epoch') {
      throw new JournalError('JOURNAL_DAMAGED', `${path}: does not begin with an epoch`);
    }
    for (const record of records) await journal.remember(record);
    return journal;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
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

function readRecords(
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

/** The agent's memory: append-only, durable before it is relied upon, without secrets. */
export class Journal implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #commands = new Map<string, KnownCommand>();
  readonly #open = new Map<string, Intent>();
  readonly #refusals = new Map<string, string>();
  #epoch = '';
  #seq = 0;
  #head = '';
  #toggle: string | undefined;
  #pending: Pending[] = [];
  #flushing: Promise<void> | undefined;
  #broken: JournalError | undefined;

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** Number of the newest signed outcome; 0 before the first. */
  get seq(): number {
    return this.#seq;
  }

  /** The hash of what the newest outcome signs; of the epoch before the first. */
  get head(): string {
    return this.#head;
  }

  /** The newest writeback toggle as it was signed. */
  get toggle(): string | undefined {
    return this.#toggle;
  }

  /** Why nothing can be written any more; undefined while it can. */
  get problem(): JournalError | undefined {
    return this.#broken;
  }

  /** Operations whose write was begun and whose outcome is not known. */
  get open(): number {
    return this.#open.size;
  }

  /** Those of them on one account. */
  openOn(objectGuid: string): readonly Intent[] {
    return [...this.#open.values()].filter((intent) => intent.objectGuid === objectGuid);
  }

  /** Every write that is remembered, oldest operation first. */
  *begun(): Generator<Begun> {
    for (const { intent, code } of this.#commands.values()) {
      if (intent === undefined) continue;
      const { cmd, objectGuid, by, actor, op } = intent;
      const at = Date.parse(intent.at);
      yield { cmd, objectGuid, by, actor, op, at, ...(code !== undefined && { code }) };
    }
  }

  find(cmd: string): KnownCommand | undefined {
    return this.#commands.get(cmd);
  }

  /** The signed refusal of a dispatch that was turned away. */
  refusalOf(jti: string): string | undefined {
    return this.#refusals.get(jti);
  }

  /**
   * Resolves once the record is on the disk. Records reach the file in the order of the calls;
   * those that wait together share one sync. After a failed write every call rejects: what is in
   * the file is then not known until it is read again. Rejects with a `TypeError`, and writes
   * nothing, for what could not be read again.
   */
  append(record: JournalRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!JournalRecord.safeParse(record).success) {
        // Some of it is a directory's or a service's word, and one such line would stop the next start.
        reject(new TypeError(`journal: a record of type ${record.type} has a value out of range`));
        return;
      }
      if (this.#broken !== undefined) {
        reject(this.#broken);
        return;
      }
      this.#pending.push({ record, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Takes a record that is on the disk into the index. */
  async remember(record: JournalRecord): Promise<void> {
    switch (record.type) {
      case 'epoch':
        this.#epoch = record.epoch;
        this.#head = await sha256(record.epoch);
        return;
      case 'intent':
        this.#open.set(record.cmd, record);
        this.#commands.set(record.cmd, { digest: record.digest, jti: record.jti, intent: record });
        return;
      case 'outcome':
        this.#open.delete(record.cmd);
        this.#commands.set(record.cmd, {
          ...this.#commands.get(record.cmd),
          digest: record.digest,
          jti: record.jti,
          outcome: record.jws,
          code: record.code,
        });
        break;
      case 'refusal':
        this.#refusals.set(record.jti, record.jws);
        this.#withdraw(record);
        break;
      case 'toggle':
        this.#toggle = record.jws;
        return;
    }
    this.#seq = record.seq;
    this.#head = await signedHash(record.jws);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flushing;
    this.#broken ??= new JournalError('JOURNAL_UNWRITABLE', `${this.#path}: closed`);
    await this.#file.close();
  }

  /** Turned away after its own intent: nothing was sent, so a later dispatch starts afresh. */
  #withdraw({ cmd, jti }: { readonly cmd: string; readonly jti: string }): void {
    const known = this.#commands.get(cmd);
    if (known?.jti !== jti || known.outcome !== undefined) return;
    this.#commands.delete(cmd);
    this.#open.delete(cmd);
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0);
      try {
        await this.#file.appendFile(batch.map(({ record }) => encodeRecord(record)).join(''));
        await this.#file.datasync();
        for (const { record } of batch) await this.remember(record);
      } catch (error) {
        this.#fail(error, batch);
        break;
      }
      for (const { resolve } of batch) resolve();
    }
    this.#flushing = undefined;
  }

  #fail(error: unknown, batch: readonly Pending[]): void {
    const broken = new JournalError(
      'JOURNAL_UNWRITABLE',
      `${this.#path}: ${messageOf(error)}; make room or repair the disk, then restart the agent`,
      { cause: error },
    );
    this.#broken = broken;
    for (const { reject } of [...batch, ...this.#pending.splice(0)]) reject(broken);
  }
}
