import { randomBytes } from 'node:crypto';
import { isForWantOfRoom, type Disk } from './journal-disk.ts';

/** An outcome takes 2 KiB, and 64 commands may be under way. */
export const RESERVE_BYTES = 256 * 2 ** 10;

/**
 * Room on the disk that is kept for outcomes: whoever writes to the directory must be able to write
 * down what became of it. The bytes are really written, and random, because a file of nothing takes
 * no room on some filesystems.
 */
export class Reserve {
  readonly #path: string;
  readonly #disk: Disk;

  constructor(path: string, disk: Disk) {
    this.#path = path;
    this.#disk = disk;
  }

  /** Takes the room, durably, if it is not held. False when there is not as much. */
  async take(): Promise<boolean> {
    if ((await this.#disk.sizeOf(this.#path)) === RESERVE_BYTES) return true;
    try {
      await this.free();
      await this.#write();
      return true;
    } catch (error) {
      if (!isForWantOfRoom(error)) throw error;
      await this.free();
      return false;
    }
  }

  free(): Promise<void> {
    return this.#disk.remove(this.#path);
  }

  async #write(): Promise<void> {
    const file = await this.#disk.open(this.#path);
    try {
      await file.appendFile(randomBytes(RESERVE_BYTES));
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}
