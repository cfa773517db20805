/** What every error that crosses a module boundary carries. */
export interface Fault {
  readonly code: string;
  /** Whether the same request may succeed later without anyone changing anything. */
  readonly retryable: boolean;
}

export function isFault(error: unknown): error is Error & Fault {
  return error instanceof Error && 'code' in error && 'retryable' in error;
}

/** The message of whatever was thrown, for a log line; never throws. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
