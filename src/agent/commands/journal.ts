import { dirname } from 'node:path';
import { timestamp } from '../../protocol/shapes.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { LOCAL_DISK, type Disk } from './journal-disk.ts';
import { JournalError } from './journal-error.ts';
import { removeSuccessor, scanRecords, type Placed, type SignedPlace } from './journal-file.ts';
import { JournalIndex, type Begun, type KnownCommand, type Location } from './journal-index.ts';
import { mustBeReadable, type Intent, type JournalRecord } from './journal-records.ts';
import { JournalWriter } from './journal-writer.ts';

/** An operation is remembered this long after its time: the service asks for an hour, and clocks differ. */
const REMEMBERED_MS = 24 * 3_600_000;

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
    const index = new JournalIndex();
    const size = await disk.sizeOf(path);
    const { records, validBytes, tornBytes } = await scanRecords({ file, path, size }, (placed) => {
      index.remember(placed);
    });
    if (tornBytes > 0) {
      await file.truncate(validBytes);
      log.warn('journal.repaired', { path, cutBytes: tornBytes });
    }
    // What a killed process had not synced is read all the same: it must not go after it was told.
    await file.datasync();
    await disk.syncFolder(dirname(path)); // nor must the file itself, where it is new (fsync(2))
    const journal: Journal = new Journal(
      index,
      new JournalWriter(file, validBytes, {
        ...{ path, disk, log },
        onWritten: (placed) => {
          journal.remember(placed);
        },
      }),
    );
    if (records === 0) {
      await journal.append({ type: 'epoch', epoch: options.uuid(), at: timestamp(options.now()) });
    }
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
  readonly #index: JournalIndex;
  /** Up to this number the service has them all. */
  #confirmed = 0;

  constructor(index: JournalIndex, writer: JournalWriter) {
    this.#index = index;
    this.#writer = writer;
  }

  get epoch(): string {
    return this.#index.epoch;
  }

  /** Number of the newest signed outcome; 0 before the first. */
  get seq(): number {
    return this.#index.seq;
  }

  /** The hash of what the newest outcome signs; of the epoch before the first. */
  get head(): string {
    return this.#index.head;
  }

  /** In bytes. */
  get size(): number {
    return this.#writer.size;
  }

  /** Operations whose time was over before this may have been forgotten; epoch milliseconds. */
  get floor(): number {
    return this.#index.floor;
  }

  /** The numbers after `seq` whose signed outcome or refusal is remembered, oldest first. */
  signedAfter(seq: number): readonly number[] {
    return [...this.#index.trail.keys()].filter((number) => number > seq);
  }

  /**
   * The signed outcome or refusal of that number; undefined when it is not remembered. Rejects with
   * `JournalError` when it cannot be read: then nothing can be begun any more.
   */
  async signed(seq: number): Promise<string | undefined> {
    return this.#writer.signed(() => this.#index.trail.get(seq));
  }

  /** The service has everything up to number `seq`: until then, it may still have to be told. */
  confirm(seq: number): void {
    this.#confirmed = seq;
  }

  /** The newest writeback toggle as it was signed. */
  get toggle(): string | undefined {
    return this.#index.toggle;
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
    return this.#index.open.size;
  }

  get openIntents(): readonly Intent[] {
    return [...this.#index.open.values()];
  }

  /** Those of them on one account. */
  openOn(objectGuid: string): readonly Intent[] {
    return this.openIntents.filter((intent) => intent.objectGuid === objectGuid);
  }

  /** Every write that is remembered, oldest first. */
  begun(): Iterable<Begun> {
    return this.#index.begun();
  }

  find(cmd: string): KnownCommand | undefined {
    return this.#index.commands.get(cmd);
  }

  /** The signed outcome of an operation that has one, which is known without an intent. Rejects as `signed` does. */
  async outcomeOf(cmd: string): Promise<string> {
    return this.#known(cmd, () => this.#index.commands.get(cmd)?.outcome);
  }

  /** The signed refusal of a dispatch that was turned away; undefined for any other. Rejects as `signed` does. */
  refusalOf(jti: string): Promise<string> | undefined {
    const refusal = (): SignedPlace | undefined => this.#index.refusals.get(jti);
    return refusal() && this.#known(jti, refusal);
  }

  /** What was known a moment ago; a compaction that comes between may have forgotten it, a day after its time. */
  async #known(id: string, where: () => SignedPlace | undefined): Promise<string> {
    const signed = await this.#writer.signed(where);
    if (signed === undefined)
      throw new TypeError(`journal: ${id} has no outcome, or none any more`);
    return signed;
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
  remember(placed: Placed): void {
    this.#index.remember(placed);
  }

  /**
   * Forgets what nobody can ask for any more. What is appended meanwhile waits and is not lost;
   * killed at any instruction, the old file or the new one is there. No record is held in memory.
   */
  compact(nowMs: number): Promise<void> {
    let needed: readonly Location[] = [];
    return this.#writer.rewrite(
      () => {
        const { epoch, seq, head } = this.#index;
        const plan = this.#index.needed(this.#confirmed, nowMs - REMEMBERED_MS);
        needed = plan.lines;
        const floor = plan.floorMs > -Infinity ? { floor: timestamp(plan.floorMs) } : {};
        return {
          first: { type: 'epoch', epoch, at: timestamp(nowMs), seq, head, ...floor },
          kept: needed,
        };
      },
      // In one go: a command that comes meanwhile must not look like a new one.
      (first) => {
        this.#index.exchanged(first, needed);
      },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#writer[Symbol.asyncDispose]();
  }
}
