import { open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fileFailure } from '../file-failure.ts';
import { UsageError } from '../usage-error.ts';
import { tarArchive, type ArchivedFile } from './tar.ts';

/** Lines of a log that are kept at the most, and bytes that are looked at for them. */
export const MAX_LINES = 10_000;
const TAIL_BYTES = 16 * 2 ** 20;

/** The name that a bundle gets where nobody gives one. */
export function bundleName(program: string, now: number): string {
  const at = new Date(now).toISOString().replaceAll(/[-:]|\.\d+Z$/g, '');
  return `${program}-support-${at}.tar.gz`;
}

/** Writes the archive to a new file, readable by its owner only. Rejects with `UsageError`. */
export async function writeBundle(
  path: string,
  files: readonly ArchivedFile[],
  now: number,
): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(gzipSync(tarArchive(files, now)));
    } finally {
      await file.close();
    }
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const what = isMissing ? `the folder ${dirname(path)}` : path;
    throw new UsageError(`--out: ${what} ${fileFailure(error)}; name another file`);
  }
}

/** The last lines of a file, or all of standard input for `-`. Rejects with `UsageError`. */
export async function logLinesOf(
  path: string,
  readInput: () => Promise<string>,
): Promise<readonly string[]> {
  if (path === '-') return (await readInput()).split('\n');
  try {
    const { size } = await stat(path);
    if (size <= TAIL_BYTES) return (await readFile(path, 'utf8')).split('\n');
    const file = await open(path, 'r');
    try {
      const tail = Buffer.alloc(TAIL_BYTES);
      // Shorter where the log was cut since its size was asked for.
      const { bytesRead } = await file.read(tail, 0, TAIL_BYTES, size - TAIL_BYTES);
      return tail.toString('utf8', 0, bytesRead).split('\n').slice(1); // the first one is cut
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new UsageError(`the log ${path} ${fileFailure(error)}`);
  }
}

/** A file of the bundle in JSON. */
export function jsonFile(name: string, content: unknown): ArchivedFile {
  return { name, content: `${JSON.stringify(content, undefined, 2)}\n` };
}
