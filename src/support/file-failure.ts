const IN_WORDS: Readonly<Partial<Record<string, string>>> = {
  ENOENT: 'does not exist',
  EACCES: 'is closed to the account this runs as',
  EPERM: 'is closed to the account this runs as',
  EISDIR: 'is a folder; a file is expected',
  NOT_A_FOLDER: 'is a file; a folder is expected',
  ENOTDIR: 'is not there: a part of its path is no folder',
  EEXIST: 'is there already',
  EROFS: 'is on a file system that is mounted read-only',
  ENOSPC: 'does not fit: the disk is full',
  ELOOP: 'is a link that leads to itself',
  ENAMETOOLONG: 'is too long for a name',
};

/** Why a file or folder cannot be used, to be said behind its path; never throws. */
export function fileFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return IN_WORDS[code] ?? `cannot be used (${code})`;
}
