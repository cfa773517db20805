import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LOCAL_DISK, type Disk, type DiskFile } from '../../src/agent/commands/journal-disk.ts';

/** What a power cut leaves of what was not synced. */
export interface Fate {
  /** Of bytes: nothing, the first half, or all of them. */
  readonly bytes: 'lost' | 'torn' | 'kept';
  /** Of creations, renames and deletions in the folder. */
  readonly names: 'lost' | 'kept';
}

/** The content of a file, whatever it is called. */
interface Content {
  durable: Buffer;
  live: Buffer;
}

/**
 * A disk under a machine that can lose power: a file's bytes are safe once they are synced, its name
 * once its folder is (fsync(2)). A test may hold or count `step`, which lies on either side of
 * everything that changes something.
 */
export class PowerCutDisk implements Disk {
  step: () => Promise<void> = () => Promise.resolve();
  readonly #open = new Set<DiskFile>();
  #live = new Map<string, Content>();
  #durable = new Map<string, Content>();

  async open(path: string): Promise<DiskFile> {
    const handle = await LOCAL_DISK.open(path);
    const content = this.#live.get(path) ?? { durable: EMPTY, live: EMPTY };
    this.#open.add(handle);
    this.#live.set(path, content);
    return {
      read: (into, offset, length, position) => handle.read(into, offset, length, position),
      appendFile: (bytes) =>
        this.#step(async () => {
          await handle.appendFile(bytes);
          content.live = Buffer.concat([content.live, bytes]);
        }),
      truncate: (length) =>
        this.#step(async () => {
          await handle.truncate(length);
          content.live = content.live.subarray(0, length);
        }),
      datasync: () =>
        this.#step(() => {
          content.durable = content.live;
        }),
      close: () => {
        this.#open.delete(handle);
        return handle.close();
      },
    };
  }

  sizeOf(path: string): Promise<number> {
    return LOCAL_DISK.sizeOf(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#step(async () => {
      await LOCAL_DISK.rename(from, to);
      const content = this.#live.get(from);
      this.#live.delete(from);
      if (content !== undefined) this.#live.set(to, content);
    });
  }

  remove(path: string): Promise<void> {
    return this.#step(async () => {
      await LOCAL_DISK.remove(path);
      this.#live.delete(path);
    });
  }

  syncFolder(path: string): Promise<void> {
    return this.#step(() => {
      const isThere = ([name]: [string, Content]): boolean => dirname(name) === path;
      for (const [name] of [...this.#durable].filter(isThere)) this.#durable.delete(name);
      for (const [name, content] of [...this.#live].filter(isThere)) {
        this.#durable.set(name, content);
      }
    });
  }

  /** Takes the power away; whatever was at work on the disk is not waited for. */
  async cut({ bytes, names }: Fate): Promise<void> {
    this.step = () => Promise.resolve();
    for (const handle of this.#open) await handle.close();
    this.#open.clear();
    const left = names === 'kept' ? this.#live : this.#durable;
    for (const path of new Set([...this.#live.keys(), ...this.#durable.keys()])) {
      const content = left.get(path);
      if (content === undefined) await rm(path, { force: true });
      else await writeFile(path, remains(content, bytes));
    }
    const after = [...left].map(async ([path]) => {
      const content = await readFile(path);
      return [path, { durable: content, live: content }] as const;
    });
    this.#live = new Map(await Promise.all(after));
    this.#durable = new Map(this.#live);
  }

  async #step(change: () => Promise<void> | void): Promise<void> {
    await this.step();
    await change();
    await this.step();
  }
}

const EMPTY = Buffer.alloc(0);

function remains({ durable, live }: Content, bytes: Fate['bytes']): Buffer {
  if (bytes === 'kept') return live;
  // What was cut back and not synced is there again.
  if (bytes === 'lost' || live.length <= durable.length) return durable;
  return live.subarray(0, durable.length + Math.ceil((live.length - durable.length) / 2));
}
