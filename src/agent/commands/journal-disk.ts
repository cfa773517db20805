import { constants } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { syncFolder } from '../../support/files.ts';

/** A file that only grows, or is cut back. */
export interface DiskFile {
  /** From `position` on, into `into` from `offset` on; fewer bytes where the file ends before. */
  read(
    into: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  appendFile(bytes: Buffer): Promise<void>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** Whatever the journal does to a disk; a test brings one that fills up. */
export interface Disk {
  /** Creates the file where it is missing, for its owner only. */
  open(path: string): Promise<DiskFile>;
  /** In bytes; 0 for what is not there. */
  sizeOf(path: string): Promise<number>;
  rename(from: string, to: string): Promise<void>;
  /** Does nothing where there is no such file. */
  remove(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
}

export const LOCAL_DISK: Disk = {
  open: openLocal,
  sizeOf: async (path) => {
    try {
      return (await stat(path)).size;
    } catch (error) {
      // Any other trouble must not make a journal look empty.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
      throw error;
    }
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  syncFolder,
};

/** Not for appending by the system: Windows would then refuse to cut it back (nodejs/node#3177). */
async function openLocal(path: string): Promise<DiskFile> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  let { size: end } = await handle.stat();
  return {
    read: (into, offset, length, position) => handle.read(into, offset, length, position),
    appendFile: async (bytes) => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, end);
        done += bytesWritten;
        end += bytesWritten;
      }
    },
    truncate: async (length) => {
      await handle.truncate(length);
      end = length;
    },
    datasync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

/** Whether something failed for want of room, on the disk or in the quota of the account. */
export function isForWantOfRoom(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return code === 'ENOSPC' || code === 'EDQUOT';
}
