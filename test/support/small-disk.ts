import { LOCAL_DISK, type Disk, type DiskFile } from '../../src/agent/commands/journal-disk.ts';

/** A disk with little room on it: what does not fit is written in part, then fails as ENOSPC does. */
export class SmallDisk implements Disk {
  /** In bytes; what others have filled. */
  room: number;
  /** Fails the next writes as a defective disk does. */
  defective = false;

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  /** As when something else on the machine writes until nothing is left. */
  fill(): void {
    this.room = 0;
  }

  async open(path: string): Promise<DiskFile> {
    const file = await LOCAL_DISK.open(path);
    let at = await LOCAL_DISK.sizeOf(path);
    return {
      read: (into, offset, length, position) => file.read(into, offset, length, position),
      appendFile: async (bytes) => {
        if (this.defective) throw Object.assign(new Error('i/o error'), { code: 'EIO' });
        const fits = bytes.subarray(0, Math.min(bytes.length, this.room));
        await file.appendFile(fits);
        this.room -= fits.length;
        at += fits.length;
        if (fits.length < bytes.length) {
          throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        }
      },
      truncate: async (to) => {
        await file.truncate(to);
        this.room += at - to;
        at = to;
      },
      datasync: () => file.datasync(),
      close: () => file.close(),
    };
  }

  sizeOf(path: string): Promise<number> {
    return LOCAL_DISK.sizeOf(path);
  }

  rename(from: string, to: string): Promise<void> {
    return LOCAL_DISK.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    this.room += await LOCAL_DISK.sizeOf(path);
    await LOCAL_DISK.remove(path);
  }

  syncFolder(path: string): Promise<void> {
    return LOCAL_DISK.syncFolder(path);
  }
}
