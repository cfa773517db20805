import { readFile, stat, type FileHandle } from 'node:fs/promises';
import type { OutcomeCode } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { sha256, signedHash } from '../../protocol/canonical.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { compacted } from './journal-compaction.ts';
import {
  JournalError,
  openFile,
  readRecords,
  removeSuccessor,
  replaceJournal,
} from './journal-file.ts';
import { encodeRecord, JournalRecord, type Intent } from './journal-records.ts';

/** It is read into memory, and compacted long before it is as large as this. */
const MAX_BYTES = 256 * 2 ** 20;

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
    await removeSuccessor(path);
    await refuseHuge(path);
    const content = await file.readFile();
    const { records, validBytes } = readRecords(content, path);
    if (validBytes < content.length) {
      await file.truncate(validBytes);
      await file.datasync();
      log.warn('journal.repaired', { path, cutBytes: content.length - validBytes });
    }
    const journal = new Journal(file, { path, size: validBytes });
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

async function refuseHuge(path: string): Promise<void> {
  const { size } = await stat(path);
  if (size <= MAX_BYTES) return;
  throw new JournalError(
    'JOURNAL_DAMAGED',
    `${path}: ${size} bytes are more than any journal has; move the file away and enrol again`,
  );
}

/** The agent's memory: append-only, durable before it is relied upon, without secrets. */
export class Journal implements AsyncDisposable {
  #file: FileHandle;
  /** Bytes of it that are whole records. */
  #size: number;
  readonly #path: string;
  readonly #commands = new Map<string, KnownCommand>();
  readonly #open = new Map<string, Intent>();
  readonly #refusals = new Map<string, string>();
  #epoch = '';
  #seq = 0;
  #head = '';
  #floor = -Infinity;
  #toggle: string | undefined;
  #pending: Pending[] = [];
  #flushing: Promise<void> | undefined;
  #broken: JournalError | undefined;

  constructor(file: FileHandle, { path, size }: { path: string; size: number }) {
    this.#file = file;
    this.#path = path;
    this.#size = size;
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

  /** In bytes. */
  get size(): number {
    return this.#size;
  }

  /** Operations whose time was over before this may have been forgotten; epoch milliseconds. */
  get floor(): number {
    return this.#floor;
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
        this.#seq = record.seq ?? 0;
        this.#head = record.head ?? (await sha256(record.epoch));
        this.#floor = record.floor === undefined ? -Infinity : Date.parse(record.floor);
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
    // A compacted journal knows its end before what is left of its past.
    if (record.seq <= this.#seq) return;
    this.#seq = record.seq;
    this.#head = await signedHash(record.jws);
  }

  /**
   * Forgets what nobody can ask for any more. What is appended meanwhile waits and is not lost;
   * killed at any instruction, the old file or the new one is there.
   */
  async compact(nowMs: number): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#broken !== undefined) throw this.#broken;
    const turn = this.#rewrite(nowMs).finally(() => {
      this.#flushing = this.#pending.length > 0 ? this.#flush() : undefined;
    });
    this.#flushing = turn.catch(() => undefined); // the caller hears of it; the next record goes on
    await turn;
  }

  async #rewrite(nowMs: number): Promise<void> {
    const { records } = readRecords(await readFile(this.#path), this.#path);
    const position = { epoch: this.#epoch, seq: this.#seq, head: this.#head };
    const kept = compacted(records, position, nowMs);
    const old = this.#file;
    this.#file = await replaceJournal(this.#path, kept);
    this.#size = (await this.#file.stat()).size;
    await old.close();
    this.#forgetAllBut(kept);
  }

  /** In one go: a command that comes meanwhile must not look like a new one. */
  #forgetAllBut(kept: readonly JournalRecord[]): void {
    const commands = new Set(kept.map((record) => ('cmd' in record ? record.cmd : undefined)));
    const refusals = new Set(kept.map((record) => ('jti' in record ? record.jti : undefined)));
    for (const cmd of this.#commands.keys()) if (!commands.has(cmd)) this.#commands.delete(cmd);
    for (const jti of this.#refusals.keys()) if (!refusals.has(jti)) this.#refusals.delete(jti);
    const [first] = kept;
    if (first?.type === 'epoch' && first.floor !== undefined) this.#floor = Date.parse(first.floor);
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
        const lines = Buffer.from(batch.map(({ record }) => encodeRecord(record)).join(''));
        await this.#file.appendFile(lines);
        await this.#file.datasync();
        this.#size += lines.length;
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
