import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** An account of the operating system, by number. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);
const WITHIN_MS = 5_000;

/** Groups of an account that the system does not know (a volume from elsewhere) are its own alone. */
const LOOK = `
  const [uid, gid, ...paths] = process.argv.slice(1);
  try { process.initgroups(Number(uid), Number(gid)); } catch { process.setgroups([Number(gid)]); }
  process.setgid(Number(gid));
  process.setuid(Number(uid));
  const { openSync, constants: { O_RDONLY, O_NONBLOCK } } = require('node:fs');
  for (const path of paths) {
    try { openSync(path, O_RDONLY | O_NONBLOCK); } catch (error) { if (error.code === 'EACCES') process.stdout.write(path + '\\0'); }
  }
`;

/**
 * Those of the paths that another account may not read, asked by a process that has become it; for root
 * only. Asking the file system is surer than working modes, groups and access lists out here.
 */
export async function closedTo(
  { uid, gid }: Owner,
  paths: readonly string[],
): Promise<readonly string[]> {
  if (paths.length === 0) return [];
  const args = ['--eval', LOOK, '--', String(uid), String(gid), ...paths];
  const { stdout } = await run(process.execPath, args, { env: {}, timeout: WITHIN_MS });
  return stdout.split('\0').filter((path) => path !== '');
}
