import { stat } from 'node:fs/promises';
import { UsageError } from '../../support/usage-error.ts';

/**
 * Rejects with `UsageError` for a state folder that is not there, and for any other account than root
 * and the one that it belongs to, which could not read what others leave there.
 */
export async function mustOwnState(
  folder: string,
  uid: number | undefined = process.geteuid?.(),
): Promise<void> {
  const owner = await ownerOf(folder);
  if (uid === undefined || uid === owner || uid === 0) return; // Windows: the folder's access list decides
  throw new UsageError(
    `${folder} belongs to another account (uid ${owner}, this is ${uid}): run this as that account (sudo -u '#${owner}' …) or as root`,
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

async function ownerOf(folder: string): Promise<number> {
  try {
    const found = await stat(folder);
    if (found.isDirectory()) return found.uid;
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
