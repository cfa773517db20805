import { dirname } from 'node:path';
import type { OutcomeCode } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { sha256, signedHash } from '../../protocol/digest.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { compacted } from './journal-compaction.ts';
import { LOCAL_DISK, type Disk } from './journal-disk.ts';
import { JournalError } from './journal-error.ts';
import { readRecords, removeSuccessor } from './journal-file.ts';
import { mustBeReadable, type Intent, type JournalRecord } from './journal-records.ts';
import { JournalWriter } from './journal-writer.ts';

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

/** One signed outcome or refusal of the trail. */
interface Link {
  readonly seq: number;
  readonly jws: string;
}

export interface JournalOptions {
  readonly path: string;
  readonly now: () => number;
  readonly uuid: () => string;
  readonly log: Logger;
  /** Default is the one of this machine. */
  readonly disk?: Disk;
}

/**
 * Opens (or begins) the journal and reads it. A line torn by a crash at the very end is cut off;
 * damage anywhere else rejects with `JournalError`: what was forgotten could be done twice. On a
 * full disk it opens, and takes nothing new.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { path, log, disk = LOCAL_DISK } = options;
  const file = await disk.open(path).catch((cause: unknown) => {
    throw new JournalError(
      'JOURNAL_UNWRITABLE',
      `${path}: ${messageOf(cause)}; the account that runs the agent must own the state folder`,
      { cause },
    );
  });
  try {
    await removeSuccessor(path, disk);
    const { records, validBytes, tornBytes } = await readRecords(path, disk);
    if (tornBytes > 0) {
      await file.truncate(validBytes);
      log.warn('journal.repaired', { path, cutBytes: tornBytes });
    }
    // What a killed process had not synced is read all the same: it must not go after it was told.
    await file.datasync();
    await disk.syncFolder(dirname(path)); // nor must the file itself, where it is new (fsync(2))
    const journal: Journal = new Journal(
      new JournalWriter(file, validBytes, {
        ...{ path, disk, log },
        onWritten: (record) => {
          journal.remember(record);
        },
      }),
    );
    const first = records[0];
    if (first === undefined) {
      await journal.append({ type: 'epoch', epoch: options.uuid(), at: timestamp(options.now()) });
    } else if (first.type !== 'epoch') {
      throw new JournalError('JOURNAL_DAMAGED', `${path}: does not begin with an epoch`);
    }
    for (const record of records) journal.remember(record);
    await journal.makeRoom();
    return journal;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The agent's memory: append-only, durable before it is relied upon, without secrets. */
export class Journal implements AsyncDisposable {
  readonly #writer: JournalWriter;
  readonly #commands = new Map<string, KnownCommand>();
  readonly #open = new Map<string, Intent>();
  readonly #refusals = new Map<string, string>();
  #epoch = '';
  #seq = 0;
  #head = '';
  #floor = -Infinity;
  #toggle: string | undefined;
  /** Signed outcomes and refusals that are remembered, oldest first. */
  #trail: Link[] = [];
  /** Up to this number the service has them all. */
  #confirmed = 0;

  constructor(writer: JournalWriter) {
    this.#writer = writer;
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
    return this.#writer.size;
  }

  /** Operations whose time was over before this may have been forgotten; epoch milliseconds. */
  get floor(): number {
    return this.#floor;
  }

  /** The signed outcomes and refusals after number `seq`, as far as they are remembered, oldest first. */
  signedAfter(seq: number): readonly string[] {
    return this.#trail.filter((link) => link.seq > seq).map(({ jws }) => jws);
  }

  /** The service has everything up to number `seq`: until then, it may still have to be told. */
  confirm(seq: number): void {
    this.#confirmed = seq;
  }

  /** The newest writeback toggle as it was signed. */
  get toggle(): string | undefined {
    return this.#toggle;
  }

  /** Why nothing can be begun; undefined while it can. */
  get problem(): JournalError | undefined {
    return this.#writer.problem;
  }

  /** Counts up when records did not reach the disk, before anybody hears of it. */
  get lost(): number {
    return this.#writer.lost;
  }

  /** From now on `listener` hears when `problem` comes or goes. */
  watch(listener: () => void): void {
    this.#writer.watch(listener);
  }

  /** Operations whose write was begun and whose outcome is not known. */
  get open(): number {
    return this.#open.size;
  }

  get openIntents(): readonly Intent[] {
    return [...this.#open.values()];
  }

  /** Those of them on one account. */
  openOn(objectGuid: string): readonly Intent[] {
    return this.openIntents.filter((intent) => intent.objectGuid === objectGuid);
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
   * those that wait together share one sync. Rejects with `JOURNAL_FULL` when there is no room:
   * intents as long as the room for outcomes is not whole again, everything else only when that is
   * used up too. After any other failure every call rejects: what is in the file is then not known
   * until it is read again. Rejects with a `TypeError`, and writes nothing, for what could not be
   * read again.
   */
  async append(record: JournalRecord): Promise<void> {
    mustBeReadable(record);
    await this.#writer.append(record);
  }

  /** On a disk that was full: goes on if there is room again. */
  makeRoom(): Promise<void> {
    return this.#writer.makeRoom();
  }

  /** Takes a record that is on the disk into the index. */
  remember(record: JournalRecord): void {
    switch (record.type) {
      case 'epoch':
        this.#epoch = record.epoch;
        this.#seq = record.seq ?? 0;
        this.#head = record.head ?? sha256(record.epoch);
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
    this.#trail.push({ seq: record.seq, jws: record.jws });
    // A compacted journal knows its end before what is left of its past.
    if (record.seq <= this.#seq) return;
    this.#seq = record.seq;
    this.#head = signedHash(record.jws);
  }

  /**
   * Forgets what nobody can ask for any more. What is appended meanwhile waits and is not lost;
   * killed at any instruction, the old file or the new one is there.
   */
  compact(nowMs: number): Promise<void> {
    return this.#writer.rewrite(
      (records) => {
        const position = { epoch: this.#epoch, seq: this.#seq, head: this.#head };
        return compacted(records, { ...position, confirmed: this.#confirmed }, nowMs);
      },
      (kept) => {
        this.#forgetAllBut(kept);
      },
    );
  }

  /** In one go: a command that comes meanwhile must not look like a new one. */
  #forgetAllBut(kept: readonly JournalRecord[]): void {
    const commands = new Set(kept.map((record) => ('cmd' in record ? record.cmd : undefined)));
    const refusals = new Set(kept.map((record) => ('jti' in record ? record.jti : undefined)));
    for (const cmd of this.#commands.keys()) if (!commands.has(cmd)) this.#commands.delete(cmd);
    const links = new Set(
      kept.map((record) => ('jti' in record && 'seq' in record ? record.seq : 0)),
    );
    this.#trail = this.#trail.filter(({ seq }) => links.has(seq));
    for (const jti of this.#refusals.keys()) if (!refusals.has(jti)) this.#refusals.delete(jti);
    const [first] = kept;
    if (first?.type === 'epoch' && first.floor !== undefined) this.#floor = Date.parse(first.floor);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#writer[Symbol.asyncDispose]();
  }

  /** Turned away after its own intent: nothing was sent, so a later dispatch starts afresh. */
  #withdraw({ cmd, jti }: { readonly cmd: string; readonly jti: string }): void {
    const known = this.#commands.get(cmd);
    if (known?.jti !== jti || known.outcome !== undefined) return;
    this.#commands.delete(cmd);
    this.#open.delete(cmd);
  }
}
