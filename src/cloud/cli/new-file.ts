import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileFailure } from '../../support/file-failure.ts';
import { UsageError } from '../../support/usage-error.ts';

/**
 * Writes a secret to a file that was not there before, readable by its owner only. The file is made
 * first: `content` is asked for only when it can be kept.
 */
export async function writeNewFile(
  path: string,
  flag: string,
  content: () => Promise<string>,
): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      code === 'EEXIST'
        ? `${flag}: ${path} is there already; choose another name or delete it`
        : `${flag}: ${code === 'ENOENT' ? `the folder ${dirname(path)}` : path} ${fileFailure(error)}`,
    );
  });
  try {
    await file.writeFile(await content());
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
