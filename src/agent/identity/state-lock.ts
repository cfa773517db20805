import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { IdentityError } from './identity-error.ts';

const LOCK_FILE = /^lock\.(\d+)\.([a-z0-9]+)\.[0-9a-f-]{36}$/;

/** No start time can be read on this system. */
const UNKNOWN = 'x';

/**
 * Makes this process the only one that works in a state folder, until disposed. Rejects with
 * `STATE_LOCKED` while another one lives there.
 *
 * Every process has a lock file of its own name and looks at the others only after it has written
 * its own: of two that start together at least one sees the other, so both may back off but never
 * both go on. A dead process's file can be deleted at any time, because its name never comes back.
 */
export async function lockStateFolder(folder: string): Promise<AsyncDisposable> {
  const own = `lock.${process.pid}.${(await startTime(process.pid)) ?? UNKNOWN}.${randomUUID()}`;
  const release = (): Promise<void> => rm(join(folder, own), { force: true });
  await writeFile(join(folder, own), '', { flag: 'wx', mode: 0o600 });
  try {
    await refuseOthers(folder, own);
  } catch (error) {
    await release();
    throw error;
  }
  return { [Symbol.asyncDispose]: release };
}

async function refuseOthers(folder: string, own: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, pid, started] = LOCK_FILE.exec(name) ?? [];
    if (name === own || pid === undefined || started === undefined) continue;
    const path = join(folder, name);
    if (await isHeld(path, Number(pid), started)) {
      throw new IdentityError(
        'STATE_LOCKED',
        `another agent (process ${pid}) works in ${folder}: stop it first. If no such agent runs, delete ${path}`,
      );
    }
    await rm(path, { force: true });
  }
}

async function isHeld(path: string, pid: number, started: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (started !== UNKNOWN) return (await startTime(pid)) === started;
  // Without start times a reused process id looks like the holder, except across a reboot.
  const bootedAt = Date.now() - uptime() * 1000;
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 })); // gone: released meanwhile
  return mtimeMs >= bootedAt;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // alive, and somebody else's
  }
}

/** When a process started, in clock ticks since boot (proc(5), field 22); undefined where no /proc is. */
async function startTime(pid: number): Promise<string | undefined> {
  let line: string;
  try {
    line = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // another system, or the process has just ended
  }
  // Field 2 is the command in parentheses and may hold anything: count from the last one.
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19];
}

/** The live processes that hold the lock of a state folder; read-only. Rejects when it cannot be listed. */
export async function lockHolders(folder: string): Promise<readonly number[]> {
  const holders: number[] = [];
  for (const name of await readdir(folder)) {
    const [, pid, started] = LOCK_FILE.exec(name) ?? [];
    if (pid === undefined || started === undefined) continue;
    if (await isHeld(join(folder, name), Number(pid), started)) holders.push(Number(pid));
  }
  return holders;
}
