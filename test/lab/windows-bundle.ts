import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from './image.ts';

/** Makes what is installed on Windows, as it is shipped, and resolves with its folder. */
export async function windowsBundle(out: string): Promise<string> {
  const script = join(repositoryRoot(), 'dist/scripts/bundle.js');
  const wish = ['--program', 'passback', '--platform', 'win-x64', '--out', out];
  await promisify(execFile)(process.execPath, ['--enable-source-maps', script, ...wish], {
    cwd: repositoryRoot(),
  });
  return join(out, 'passback-win-x64');
}
