import { LOCAL_DISK, type Disk, type DiskFile } from '../../src/agent/commands/journal-disk.ts';

/** A disk that refuses to replace a file which is open, as Windows does (MS-FSA 2.1.5.15.12, FileRenameInformation). */
export class WindowsDisk implements Disk {
  /** Somebody else has every file open: a virus scanner, a backup. */
  isHeldByAnother = false;
  /** How often each name is open; an open file takes its name along. */
  readonly #open = new Map<DiskFile, string>();

  sizeOf(path: string): Promise<number> {
    return LOCAL_DISK.sizeOf(path);
  }

  remove(path: string): Promise<void> {
    return LOCAL_DISK.remove(path);
  }

  syncFolder(path: string): Promise<void> {
    return LOCAL_DISK.syncFolder(path);
  }

  async open(path: string): Promise<DiskFile> {
    const file = await LOCAL_DISK.open(path);
    const opened: DiskFile = {
      ...file,
      close: () => {
        this.#open.delete(opened);
        return file.close();
      },
    };
    this.#open.set(opened, path);
    return opened;
  }

  async rename(from: string, to: string): Promise<void> {
    if (this.isHeldByAnother || [...this.#open.values()].includes(to)) {
      throw Object.assign(new Error('operation not permitted'), { code: 'EPERM' });
    }
    await LOCAL_DISK.rename(from, to);
    for (const [file, path] of this.#open) if (path === from) this.#open.set(file, to);
  }
}
