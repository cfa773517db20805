import { dirname } from 'node:path';
import type { OutcomeCode } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { sha256, signedHash } from '../../protocol/digest.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { compacted } from './journal-compaction.ts';
import { LOCAL_DISK, type Disk } from './journal-disk.ts';
import { JournalError } from './journal-error.ts';
import { readRecords, removeSuccessor, type Placed, type SignedPlace } from './journal-file.ts';
import { mustBeReadable, type Intent, type JournalRecord, type Signed } from './journal-records.ts';
import { JournalWriter } from './journal-writer.ts';

/** What the journal knows of an operation. */
export interface KnownCommand {
  readonly digest: string;
  /** The dispatch that it was last begun or answered for. */
  readonly jti: string;
  /** Its newest write while it has no outcome: it may or may not have happened. */
  readonly intent?: Intent;
}

/** A write that was begun, and what came of it where that is known: what rate limits count. */
export interface Begun extends Pick<Intent, 'cmd' | 'objectGuid' | 'by' | 'actor' | 'op'> {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly code?: OutcomeCode;
}

/** A day of operations is kept, so what an answered one holds counts: what was signed is read from the file. */
interface Remembered extends KnownCommand {
  readonly outcome?: SignedPlace;
  /** Its write, once it is answered; absent when it was answered without one. */
  readonly begun?: Begun | undefined;
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
        onWritten: (placed) => {
          journal.remember(placed);
        },
      }),
    );
    const first = records[0];
    if (first === undefined) {
      await journal.append({ type: 'epoch', epoch: options.uuid(), at: timestamp(options.now()) });
    } else if (first.record.type !== 'epoch') {
      throw new JournalError('JOURNAL_DAMAGED', `${path}: does not begin with an epoch`);
    }
    for (const placed of records) journal.remember(placed);
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
  readonly #commands = new Map<string, Remembered>();
  readonly #open = new Map<string, Intent>();
  readonly #refusals = new Map<string, SignedPlace>();
  /** Signed outcomes and refusals by their number, oldest first. */
  readonly #trail = new Map<number, SignedPlace>();
  #epoch = '';
  #seq = 0;
  #head = '';
  #floor = -Infinity;
  #toggle: string | undefined;
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

  /** The numbers after `seq` whose signed outcome or refusal is remembered, oldest first. */
  signedAfter(seq: number): readonly number[] {
    return [...this.#trail.keys()].filter((number) => number > seq);
  }

  /**
   * The signed outcome or refusal of that number; undefined when it is not remembered. Rejects with
   * `JournalError` when it cannot be read: then nothing can be begun any more.
   */
  async signed(seq: number): Promise<string | undefined> {
    const place = this.#trail.get(seq);
    return place && (await this.#writer.signed(place));
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
    for (const { intent, begun } of this.#commands.values()) {
      if (begun !== undefined) yield begun;
      else if (intent !== undefined) yield toBegun(intent);
    }
  }

  find(cmd: string): KnownCommand | undefined {
    return this.#commands.get(cmd);
  }

  /** The signed outcome of an operation that has one, which is known without an intent. Rejects as `signed` does. */
  async outcomeOf(cmd: string): Promise<string> {
    const outcome = this.#commands.get(cmd)?.outcome;
    if (outcome === undefined) throw new TypeError(`journal: ${cmd} has no outcome`);
    return this.#writer.signed(outcome);
  }

  /** The signed refusal of a dispatch that was turned away; undefined for any other. Rejects as `signed` does. */
  refusalOf(jti: string): Promise<string> | undefined {
    const refusal = this.#refusals.get(jti);
    return refusal && this.#writer.signed(refusal);
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
  remember({ record, place }: Placed): void {
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
      case 'toggle':
        this.#toggle = record.jws;
        return;
      case 'outcome':
      case 'refusal':
        this.#rememberSigned(record, {
          seq: record.seq,
          offset: place.offset,
          length: place.length,
        });
    }
  }

  #rememberSigned(record: Signed, place: SignedPlace): void {
    if (record.type === 'outcome') this.#answered(record, place);
    else {
      this.#refusals.set(record.jti, place);
      this.#withdraw(record);
    }
    this.#trail.set(record.seq, place);
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
        this.#rememberOnly(kept);
      },
    );
  }

  /** In one go: a command that comes meanwhile must not look like a new one. */
  #rememberOnly(kept: readonly Placed[]): void {
    for (const known of [this.#commands, this.#open, this.#refusals, this.#trail]) known.clear();
    for (const placed of kept) this.remember(placed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#writer[Symbol.asyncDispose]();
  }

  #answered({ cmd, jti, digest, code }: Signed, outcome: SignedPlace): void {
    const { intent, begun } = this.#commands.get(cmd) ?? {};
    const written = intent === undefined ? begun : toBegun(intent, code);
    this.#open.delete(cmd);
    this.#commands.set(cmd, { digest, jti, outcome, begun: written });
  }

  /** Turned away after its own intent: nothing was sent, so a later dispatch starts afresh. */
  #withdraw({ cmd, jti }: { readonly cmd: string; readonly jti: string }): void {
    const known = this.#commands.get(cmd);
    if (known?.jti !== jti || known.outcome !== undefined) return;
    this.#commands.delete(cmd);
    this.#open.delete(cmd);
  }
}

function toBegun({ cmd, objectGuid, by, actor, op, at }: Intent, code?: OutcomeCode): Begun {
  const atMs = Date.parse(at);
  // Written out: what a spread makes takes twice the memory.
  if (code === undefined) return { cmd, objectGuid, by, actor, op, at: atMs };
  return { cmd, objectGuid, by, actor, op, at: atMs, code };
}
