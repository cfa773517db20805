/** Resolves once everything that was written to these streams has left, or nobody reads it any more. */
export async function allWritten(...streams: readonly NodeJS.WritableStream[]): Promise<void> {
  await Promise.all(
    streams.map(
      (stream) =>
        new Promise<void>((resolve) => {
          stream.write('', () => {
            resolve();
          });
        }),
    ),
  );
}
