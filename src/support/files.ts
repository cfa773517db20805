import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileFailure } from './file-failure.ts';

/** Windows has access lists instead of these bits, and no fsync of a folder. */
const POSIX = process.platform !== 'win32';

type FolderErrorCode = 'FOLDER_NOT_PRIVATE' | 'FILE_NOT_PRIVATE' | 'FOLDER_UNUSABLE';

/** What a folder or file with secrets may not be: its message names the cure. */
export class FolderError extends Error {
  override readonly name = 'FolderError';
  readonly code: FolderErrorCode;
  readonly retryable = false;

  constructor(
    message: string,
    code: FolderErrorCode = 'FOLDER_NOT_PRIVATE',
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Replaces a file, readable by its owner only. Once this resolves the content survives a power
 * cut; killed at any instruction, the file is whole: the old one or the new one.
 */
export async function writeFileDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** What `writeFileDurably` calls a file until it is whole, with the name that it is to get. */
const TEMPORARY = /^(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** What a left-over may be, and since when it has to be one. */
export interface LeftOvers {
  /** Whether a file of this name is one that the caller writes. */
  readonly isOurs: (name: string) => boolean;
  /** Epoch milliseconds; a process that is alive may be writing what was changed later. Absent: none is. */
  readonly before?: number;
}

/** Deletes, durably, what `writeFileDurably` has left in a folder when it was killed. */
export async function removeLeftOvers(
  folder: string,
  { isOurs, before }: LeftOvers,
): Promise<void> {
  let removed = 0;
  for (const name of await readdir(folder)) {
    const [, target] = TEMPORARY.exec(name) ?? [];
    if (target === undefined || !isOurs(target)) continue;
    const path = join(folder, name);
    if (before !== undefined && (await changedAt(path)) >= before) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  if (removed > 0) await syncFolder(folder);
}

async function changedAt(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined); // it has its name by now
  return found?.mtimeMs ?? Number.POSITIVE_INFINITY;
}

/** Makes creations, renames and deletions in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  if (!POSIX) return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Creates a folder for its owner only, or checks that an existing one is. Rejects with `FolderError`. */
export async function privateFolder(path: string): Promise<void> {
  const { mode, uid } = await folderAt(path).catch((error: unknown) => {
    throw new FolderError(`${path} ${fileFailure(error)}`, 'FOLDER_UNUSABLE', { cause: error });
  });
  if (!POSIX) return;
  if ((mode & 0o077) !== 0) {
    throw new FolderError(
      `${path} holds private keys and other accounts can enter it: chmod 700 '${path}' if it is for nothing else, or name another folder`,
    );
  }
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new FolderError(
      `${path} belongs to another account (uid ${uid}, this is ${process.getuid()}): run as that account, or chown it`,
    );
  }
}

async function folderAt(path: string): Promise<Stats> {
  await makeFolder(path);
  const found = await stat(path);
  if (!found.isDirectory()) throw Object.assign(new Error('no folder'), { code: 'NOT_A_FOLDER' });
  return found;
}

/** Node's own `recursive` runs for ever where the system says ENOENT though the parent is there. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || (await isFolder(dirname(path)))) throw error;
    await makeFolder(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
  await chmod(path, 0o700); // whatever the umask took
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined); // what is wrong with it shows in the next step
  return found?.isDirectory() === true;
}

/**
 * Whether every account of the machine can read or change a file. A group may, because certificate
 * tools and packages hand keys out that way. False for what is not there.
 */
export async function isOpenToAll(path: string): Promise<boolean> {
  if (!POSIX) return false;
  const found = await stat(path).catch(() => undefined); // whoever reads it next says what is wrong
  return found !== undefined && (found.mode & 0o007) !== 0;
}

/** Rejects with `FolderError` when every account of the machine can read or change a file with a secret. */
export async function privateFile(path: string): Promise<void> {
  if (!(await isOpenToAll(path))) return;
  throw new FolderError(
    `${path} holds a secret and every account can read or change it: chmod o= '${path}'`,
    'FILE_NOT_PRIVATE',
  );
}
