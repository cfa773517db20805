import type { Store } from '../store/store.ts';
import { SetupError } from './setup-error.ts';

/** Adds a directory with writeback turned on. */
export async function addDirectory(store: Store, id: string, now: number): Promise<void> {
  const actor = 'passback-cloud';
  const toggle = { version: 1, enabled: true, reason: '', by: actor, at: now };
  await store.atomically(async (inside) => {
    if (!(await inside.directories.add({ id, createdAt: now, toggle }))) {
      throw new SetupError('DIRECTORY_EXISTS', `directory add: there is a directory ${id} already`);
    }
    await inside.audit.append({ at: now, directory: id, actor, action: 'directory.added' });
  });
}
