import { DirectoryError, type Directory } from '../directory/directory.ts';

/** The same directory; `onSilence` hears whenever no domain controller answered a question or a write. */
export function watchedDirectory(directory: Directory, onSilence: () => void): Directory {
  const watch = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof DirectoryError && SILENT.has(error.code)) onSilence();
      throw error;
    }
  };
  return {
    read: (account, signal, options) => watch(directory.read(account, signal, options)),
    apply: (target, change, signal) => watch(directory.apply(target, change, signal)),
    check: (signal) => directory.check(signal),
    selfTest: (baseDns, signal) => directory.selfTest(baseDns, signal),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const SILENT: ReadonlySet<string> = new Set(['DIRECTORY_UNREACHABLE', 'INDETERMINATE']);
