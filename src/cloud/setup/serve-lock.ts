import Database from 'libsql';
import { SetupError } from './setup-error.ts';

/**
 * Keeps a second service off a data folder: two would hand out the same operations. SQLite's own
 * file lock does it, so that a process that dies, however it does, leaves nothing behind.
 */
export function lockForServing(path: string): Disposable {
  const database = new Database(path);
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new SetupError(
      'ALREADY_SERVING',
      `serve: another passback-cloud is running on this data folder (${path} is locked); stop it first`,
      { cause: error },
    );
  }
  return {
    [Symbol.dispose]: () => {
      database.close();
    },
  };
}
