import { once } from 'node:events';
import { chmod, chown, lstat, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';

/** As long as `sun_path` may be everywhere, its NUL included (unix(7): 108, macOS: 104). */
const MAX_PATH_BYTES = 103;

/** Whose members may talk to the agent, where there is such a group. */
const GROUP = 'passback';

/** Where the agent of this state folder is spoken to, unless `health.socket` says otherwise. */
export function defaultSocket(stateFolder: string): string {
  return process.platform === 'win32'
    ? String.raw`\\.\pipe\passback`
    : join(stateFolder, 'control.sock');
}

/**
 * Listens there. What an agent has left that was killed is replaced; where one answers, or
 * something else is, this rejects. On POSIX only the account and the group `passback` can connect.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (process.platform === 'win32') {
    await listening(server, path);
    return;
  }
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new Error(
      `the path is longer than ${MAX_PATH_BYTES} bytes: set health.socket to a shorter one`,
    );
  }
  await removeStale(path);
  await listening(server, path);
  const group = await groupId();
  const uid = process.getuid?.();
  if (group !== undefined && uid !== undefined) {
    // Only a member of it may give it away: without that it is for the account alone.
    await chown(path, uid, group).catch(() => undefined);
  }
  await chmod(path, 0o660);
}

async function listening(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, 'listening');
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return; // whatever else is wrong with the path, listening says
  if (!found.isSocket()) throw new Error('something else is there, and it is no socket: move it');
  if (await answers(path)) throw new Error('another agent answers there');
  await rm(path, { force: true });
}

/** Nobody listening refuses at once; whoever is too busy to answer is alive. */
async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ECONNREFUSED' && code !== 'ENOENT';
  } finally {
    socket.destroy();
  }
}

async function groupId(): Promise<number | undefined> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const [, id] = new RegExp(`^${GROUP}:[^:]*:(\\d+):`, 'm').exec(groups) ?? [];
  return id === undefined ? undefined : Number(id);
}
