import { lstat, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../../support/usage-error.ts';

/**
 * Where this is root and a state folder, or a part of the way there, belongs to somebody else, makes
 * this process that account, for good: what it writes from now on belongs to whoever will run the
 * agent, and no link that this account has put there can make root write elsewhere. Anybody else
 * stays as they are. Rejects with `UsageError` where it is not clear whom to be.
 */
export async function becomeOwner(folder: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const path = resolve(folder);
  const real = await realpath(path).catch(() => path); // it may not be there yet
  const owners = [...(await ownersAlong(path)), ...(await ownersAlong(real))];
  const owner = owners.at(-1);
  if (owner === undefined) return;
  const other = owners.find(({ uid }) => uid !== owner.uid);
  if (other !== undefined) {
    throw new UsageError(
      `${other.path} on the way to ${folder} belongs to another account (uid ${other.uid}), which could lead root elsewhere: run this as the account of the agent (sudo -u '#${owner.uid}' …)`,
    );
  }
  process.setgroups?.([owner.gid]);
  process.setgid?.(owner.gid);
  process.setuid?.(owner.uid);
}

interface Owned {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
}

/** The parts of a path that are not root's, from the top. */
async function ownersAlong(path: string): Promise<readonly Owned[]> {
  const above = dirname(path) === path ? [] : await ownersAlong(dirname(path));
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || found.uid === 0) return above;
  return [...above, { path, uid: found.uid, gid: found.gid }];
}
