import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { isForWantOfRoom, type Disk, type DiskFile } from './journal-disk.ts';
import { JournalError } from './journal-error.ts';
import { layOut, readSigned, replaceJournal } from './journal-file.ts';
import type { Placed, SignedPlace, Successor } from './journal-file.ts';
import type { JournalRecord } from './journal-records.ts';
import { Reserve } from './journal-reserve.ts';

export interface WriterOptions {
  readonly path: string;
  readonly disk: Disk;
  readonly log: Logger;
  /** Hears of each record once it is on the disk, in order. */
  readonly onWritten: (placed: Placed) => void;
}

interface Pending {
  readonly record: JournalRecord;
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

/**
 * Appends to the journal's file, and keeps room for outcomes beside it: when the disk is full,
 * nothing new is begun but what was begun can still be written down.
 */
export class JournalWriter implements AsyncDisposable {
  readonly #options: WriterOptions;
  readonly #reserve: Reserve;
  #file: DiskFile;
  /** Bytes of it that are whole records. */
  #size: number;
  #pending: Pending[] = [];
  #turn: Promise<void> | undefined;
  /** While there is no file to read from: until one has taken the place of the other. */
  #exchange: Promise<void> | undefined;
  readonly #reads = new Set<Promise<unknown>>();
  #broken: JournalError | undefined;
  #full: JournalError | undefined;
  #lost = 0;
  #onProblem: () => void = () => undefined;

  constructor(file: DiskFile, size: number, options: WriterOptions) {
    this.#file = file;
    this.#size = size;
    this.#options = options;
    this.#reserve = new Reserve(`${options.path}.reserve`, options.disk);
  }

  get size(): number {
    return this.#size;
  }

  /** Why nothing can be begun; undefined while it can. */
  get problem(): JournalError | undefined {
    return this.#broken ?? this.#full;
  }

  /** Counts up when records did not reach the disk, before anybody hears of it. */
  get lost(): number {
    return this.#lost;
  }

  /** From now on `listener` hears when `problem` comes or goes. */
  watch(listener: () => void): void {
    this.#onProblem = listener;
  }

  append(record: JournalRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      const problem = this.#broken ?? (record.type === 'intent' ? this.#full : undefined);
      if (problem !== undefined) {
        reject(problem);
        return;
      }
      this.#pending.push({ record, resolve, reject });
      this.#turn ??= this.#flush();
    });
  }

  /**
   * The outcome or refusal that was signed, from the file; undefined when `where` knows none. Rejects
   * with `JournalError` when it cannot be read: then nothing is taken any more, because what was
   * forgotten could be done twice.
   */
  async signed(where: () => SignedPlace | undefined): Promise<string | undefined> {
    while (this.#exchange !== undefined) await this.#exchange;
    const place = where(); // in the file as it is now
    if (place === undefined) return undefined;
    let cause: unknown;
    const read = readSigned(this.#file, place);
    this.#reads.add(read);
    try {
      const jws = await read;
      if (jws !== undefined) return jws;
    } catch (error) {
      cause = error;
    } finally {
      this.#reads.delete(read);
    }
    const error = this.#unreadable(place, cause);
    if (this.#broken === undefined) this.#break(error, []);
    throw error;
  }

  /** Takes the room for outcomes, where there is as much. Rejects for any other trouble. */
  async makeRoom(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#broken !== undefined) return;
      if (!(await this.#reserve.take())) this.#noRoom(undefined);
      else if (this.#full !== undefined) {
        this.#full = undefined;
        this.#options.log.info('journal.recovered', { path: this.#options.path });
        this.#onProblem();
      }
    });
  }

  /**
   * Puts what is chosen in the place of the file, and says so at once: what is appended meanwhile goes
   * into the new one.
   */
  async rewrite(choose: () => Successor, replaced: (first: Placed) => void): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#broken !== undefined) throw this.#broken;
      let over: () => void = () => undefined;
      try {
        await this.#replace(choose, replaced, () => {
          this.#exchange = new Promise((resolve) => (over = resolve));
        });
      } catch (error) {
        if (error instanceof JournalError) this.#break(error, []);
        throw error;
      } finally {
        this.#exchange = undefined;
        over();
      }
    });
  }

  async #replace(
    choose: () => Successor,
    replaced: (first: Placed) => void,
    hold: () => void,
  ): Promise<void> {
    const { path, disk } = this.#options;
    const old = this.#file;
    const left = { isOpen: true };
    const letGo = async (): Promise<void> => {
      hold();
      await Promise.allSettled(this.#reads);
      left.isOpen = false;
      await old.close();
    };
    try {
      const successor = { successor: choose(), letGo };
      const { file, size, first } = await replaceJournal(old, path, successor, disk);
      [this.#file, this.#size] = [file, size];
      replaced(first); // with nothing in between: places mean something in their own file only
    } catch (error) {
      if (!left.isOpen && !(error instanceof JournalError)) await this.#openAgain();
      throw error;
    }
  }

  /** After an exchange that failed: the old file is where it was. */
  async #openAgain(): Promise<void> {
    const { path, disk } = this.#options;
    try {
      this.#file = await disk.open(path);
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    this.#broken ??= new JournalError('JOURNAL_UNWRITABLE', `${this.#options.path}: closed`);
    await this.#file.close();
  }

  /** What is appended meanwhile waits. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    while (this.#turn !== undefined) await this.#turn;
    const turn = work().finally(() => {
      this.#turn = this.#pending.length > 0 ? this.#flush() : undefined;
    });
    this.#turn = turn.catch(() => undefined); // the caller hears of it; the next record goes on
    await turn;
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) await this.#write(this.#pending.splice(0));
    this.#turn = undefined;
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#toDisk(batch);
    } catch (error) {
      if (!isForWantOfRoom(error)) {
        this.#break(this.#unwritable(error), batch);
        return;
      }
      await this.#writeInReserve(batch, error);
    }
  }

  /** Everything but intents: what was begun, and what the service orders, must be written down. */
  async #writeInReserve(batch: readonly Pending[], cause: unknown): Promise<void> {
    try {
      await this.#cutBack();
      await this.#reserve.free();
      const full = this.#noRoom(cause);
      const [intents, others] = [batch.filter(isIntent), batch.filter((each) => !isIntent(each))];
      for (const { reject } of intents) reject(full);
      try {
        await this.#toDisk(others);
      } catch (error) {
        if (!isForWantOfRoom(error)) throw error;
        await this.#cutBack();
        this.#lose(full, others);
      }
    } catch (error) {
      this.#break(this.#unwritable(error), batch);
    }
  }

  async #toDisk(batch: readonly Pending[]): Promise<void> {
    if (batch.length === 0) return;
    const records = batch.map(({ record }) => record);
    const { bytes, placed } = layOut(records, this.#size);
    await this.#file.appendFile(bytes);
    await this.#file.datasync();
    this.#size += bytes.length;
    for (const each of placed) this.#options.onWritten(each);
    for (const { resolve } of batch) resolve();
  }

  /** To the last whole record: half a line in the middle would be damage to the next start. */
  async #cutBack(): Promise<void> {
    await this.#file.truncate(this.#size);
    await this.#file.datasync();
  }

  #noRoom(cause: unknown): JournalError {
    if (this.#full !== undefined) return this.#full;
    const { path, log } = this.#options;
    this.#full = new JournalError(
      'JOURNAL_FULL',
      `${path}: the disk is full; make room, then the agent goes on by itself within a minute`,
      { cause },
    );
    log.error('journal.full', { reason: this.#full.message });
    this.#onProblem();
    return this.#full;
  }

  #unwritable(cause: unknown): JournalError {
    return new JournalError(
      'JOURNAL_UNWRITABLE',
      `${this.#options.path}: ${messageOf(cause)}; repair the disk, then restart the agent`,
      { cause },
    );
  }

  #unreadable({ seq, offset }: SignedPlace, cause: unknown): JournalError {
    const why = cause === undefined ? 'it is not there' : messageOf(cause);
    return new JournalError(
      'JOURNAL_DAMAGED',
      `${this.#options.path}: outcome ${seq} at byte ${offset} cannot be read: ${why}; repair the disk, then restart the agent`,
      { cause },
    );
  }

  /** What is in the file is not known until it is read again. */
  #break(error: JournalError, batch: readonly Pending[]): void {
    this.#broken = error;
    this.#options.log.error('journal.failed', { reason: error.message });
    this.#lose(error, batch);
    this.#onProblem();
  }

  /** Whatever waits behind a lost record was built on it. */
  #lose(error: JournalError, batch: readonly Pending[]): void {
    this.#lost += 1;
    for (const { reject } of [...batch, ...this.#pending.splice(0)]) reject(error);
  }
}

function isIntent({ record }: Pending): boolean {
  return record.type === 'intent';
}
