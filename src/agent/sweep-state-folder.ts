import { basename } from 'node:path';
import { removeLeftOvers } from '../support/files.ts';
import { VERSION_FILE } from '../support/folder-version.ts';
import { breakerFile } from './commands/guard/breaker-file.ts';
import { ordersFile } from './commands/guard/local-orders.ts';
import { STATE_FILES } from './identity/state-files.ts';

/** Nobody takes as long to write a few bytes. */
const WRITTEN_WITHIN_MS = 60_000;

/**
 * Deletes what was being written when an agent was killed: half a file of sealing keys would outlive
 * the keys in it. Whoever calls this holds the lock of the folder.
 */
export async function sweepStateFolder(folder: string, now: number): Promise<void> {
  const own = [...STATE_FILES, VERSION_FILE, basename(breakerFile(folder))];
  await removeLeftOvers(folder, { isOurs: (name) => own.includes(name) });
  // The command line writes this one, whoever holds the lock.
  const orders = basename(ordersFile(folder));
  const before = now - WRITTEN_WITHIN_MS;
  await removeLeftOvers(folder, { isOurs: (name) => name === orders, before });
}
