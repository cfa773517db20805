import { stat } from 'node:fs/promises';
import type { Owner } from '../../support/files.ts';
import { UsageError } from '../../support/usage-error.ts';

/**
 * Whom a file written to the state folder has to be given to: nobody else when this runs as the
 * account that owns the folder, that account when this is root. Rejects with `UsageError` for any
 * other account, whose files the agent could not read.
 */
export async function stateOwner(
  folder: string,
  uid: number | undefined = process.geteuid?.(),
): Promise<Owner | undefined> {
  const owner = await ownerOf(folder);
  if (uid === undefined || uid === owner.uid) return undefined; // Windows: the folder's access list decides
  if (uid === 0) return owner;
  throw new UsageError(
    `${folder} belongs to another account (uid ${owner.uid}, this is ${uid}): run this as that account (sudo -u '#${owner.uid}' …) or as root`,
  );
}

/** Rejects with `UsageError` for root on the folder of another account, which could not read what root leaves there. */
export async function refuseAsRoot(
  folder: string,
  uid: number | undefined = process.geteuid?.(),
): Promise<void> {
  if (uid !== 0) return;
  const found = await stat(folder).catch(() => undefined); // whoever opens it says what is wrong
  if (found === undefined || found.uid === 0) return;
  throw new UsageError(
    `${folder} belongs to another account (uid ${found.uid}), which could not read what root leaves there: start its service (systemctl start passback), or run this as that account`,
  );
}

async function ownerOf(folder: string): Promise<Owner> {
  try {
    const found = await stat(folder);
    if (found.isDirectory()) return { uid: found.uid, gid: found.gid };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      code === 'ENOENT'
        ? `there is no state folder ${folder}: name the agent's configuration with --config, or its folder with --state-folder`
        : `the state folder ${folder} cannot be looked at (${code ?? 'unknown'}): run this as the account of the agent, or as root`,
    );
  }
  throw new UsageError(`the state folder ${folder} is a file; a folder is expected`);
}
