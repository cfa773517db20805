import { lstat, readlink } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { UsageError } from '../../support/usage-error.ts';

/** As many as Linux follows on the way to one file (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * Where this is root and a state folder, or a part of the way there, belongs to somebody else, makes
 * this process that account, for good: what it writes from now on belongs to whoever will run the
 * agent, and no link that this account has put there can make root write elsewhere. Anybody else
 * stays as they are. Rejects with `UsageError` where it is not clear whom to be.
 */
export async function becomeOwner(folder: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const owners = await ownersAlong(resolve(folder));
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

/** What on the way to a file is not root's, in the order of the way: each folder, and each link on it. */
async function ownersAlong(path: string): Promise<readonly Owned[]> {
  const owners: Owned[] = [];
  let [at, links] = ['/', 0];
  for (let ahead = path.split('/'); ahead.length > 0;) {
    const [part = '', ...rest] = ahead;
    ahead = rest;
    const here = join(at, part);
    const found = await lstat(here).catch(() => undefined); // whoever makes it next says what is wrong
    if (found === undefined) return owners;
    if (found.uid !== 0) owners.push({ path: here, uid: found.uid, gid: found.gid });
    if (!found.isSymbolicLink()) {
      at = here;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS)
      throw new UsageError(`${path} leads through too many links: name the folder itself`);
    const target = await readlink(here);
    if (isAbsolute(target)) at = '/';
    ahead = [...target.split('/'), ...rest];
  }
  return owners;
}
