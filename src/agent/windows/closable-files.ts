import { closeSync, openSync, readSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { parseSecretFile } from '../../support/secret-file.ts';
import { holdFile } from '../../support/windows/file-security.ts';
import type { Native } from '../../support/windows/native.ts';
import type { ClosableFiles } from './close-folders.ts';

/** The files of this machine. */
export function closableFiles(native: Native): ClosableFiles {
  return {
    make: async (folder) => {
      await mkdir(folder, { recursive: true });
    },
    namesIn: (folder) => readdir(folder),
    hold: (path, use) => holdFile(native, path, use),
    isProtectedSecret: (file) => parseSecretFile(beginningOf(file)).type !== 'plain',
  };
}

/** More than the first line of a protected secret. */
const BEGINNING = 64;

function beginningOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(BEGINNING);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, BEGINNING, 0));
  } finally {
    closeSync(file);
  }
}
