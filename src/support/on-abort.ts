/**
 * Calls `listener` once when `signal` aborts, at once if it already has. The result takes the
 * listener off again: whoever listens to a signal that outlives it has to call that.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  signal.addEventListener('abort', listener, { once: true });
  return () => {
    signal.removeEventListener('abort', listener);
  };
}
