/**
 * Runs `work` as somebody whose new files nobody else can open (umask 077), then goes on as before.
 * A process has one umask: nothing else may write meanwhile.
 */
export async function withPrivateFiles<T>(work: () => Promise<T>): Promise<T> {
  const before = process.umask(0o077);
  try {
    return await work();
  } finally {
    process.umask(before);
  }
}
