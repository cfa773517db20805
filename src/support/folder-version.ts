import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Fault } from './errors.ts';
import { fileFailure } from './file-failure.ts';
import { writeFileDurably } from './files.ts';
import { parseJson } from './parse-json.ts';
import { packageVersion } from './version.ts';

/** Beside what it speaks of. A folder without one is of version 1. */
export const VERSION_FILE = 'version.json';

/** Whatever later versions add to it, these keep their meaning. */
const VersionFile = z.object({
  version: z.int().positive(),
  /** The program that has brought the folder to this version. */
  by: z.string().max(64),
  /** The version whose content may still be there: bringing it forward was not finished. */
  from: z.int().positive().optional(),
});

type Mark = z.infer<typeof VersionFile>;

/**
 * Brings the files of a folder from one version to the next. It may be called again on what it has
 * done, or half done, and is never edited once it was released.
 */
export type FolderStep = (folder: string) => Promise<void>;

/** What a program knows of a kind of folder: the step to version 2, the one to version 3, … */
export type FolderSteps = readonly FolderStep[];

/** Why a folder is not for this program; its message says what to do. */
export class FolderVersionError extends Error implements Fault {
  override readonly name = 'FolderVersionError';
  readonly code: 'FOLDER_NEWER' | 'FOLDER_VERSION_UNREADABLE';
  readonly retryable = false;

  constructor(code: FolderVersionError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** The version that a program with these steps writes. */
export function newestVersion(steps: FolderSteps): number {
  return steps.length + 1;
}

/**
 * The version of a folder. Rejects with `FolderVersionError` when a later program has brought it to
 * one that is not known here: what this one would read or write there it could get wrong.
 */
export async function knownVersion(folder: string, steps: FolderSteps): Promise<number> {
  const mark = await readMark(folder);
  const newest = newestVersion(steps);
  if (mark === undefined || mark.version <= newest) return mark?.from ?? mark?.version ?? 1;
  const { version, by } = mark;
  throw new FolderVersionError(
    'FOLDER_NEWER',
    `${folder} was brought to version ${version} by passback ${by}, and this is passback ${packageVersion()}, which knows ${newest} at the most: install passback ${by} or newer again. Nothing was changed`,
  );
}

/** Marks a folder that is being made. */
export function markNewest(folder: string, steps: FolderSteps): Promise<void> {
  return writeMark(folder, { version: newestVersion(steps), by: packageVersion() });
}

/**
 * Brings a folder to the newest version and answers the one it had. Whoever calls this is alone in
 * the folder. The mark comes first, so that no older program takes up what is half done; killed at
 * any instruction, the next call goes on. Rejects as `knownVersion` does.
 */
export async function bringForward(folder: string, steps: FolderSteps): Promise<number> {
  const mark = await readMark(folder);
  const from = await knownVersion(folder, steps);
  const version = newestVersion(steps);
  if (mark !== undefined && from === version) return from;
  const by = packageVersion();
  if (from < version) {
    await writeMark(folder, { version, by, from });
    for (const step of steps.slice(from - 1)) await step(folder);
  }
  await writeMark(folder, { version, by });
  return from;
}

async function readMark(folder: string): Promise<Mark | undefined> {
  const path = join(folder, VERSION_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined; // of the folder itself others speak
    throw unreadable(`${path} ${fileFailure(error)}`);
  }
  const parsed = VersionFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw unreadable(
    `${path} is damaged; if no newer passback than ${packageVersion()} has worked there, delete it`,
  );
}

function unreadable(what: string): FolderVersionError {
  return new FolderVersionError(
    'FOLDER_VERSION_UNREADABLE',
    `which version of passback the folder is for cannot be told: ${what}`,
  );
}

function writeMark(folder: string, mark: Mark): Promise<void> {
  return writeFileDurably(join(folder, VERSION_FILE), `${JSON.stringify(mark)}\n`);
}
