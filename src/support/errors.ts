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

/** What a log line says of whatever ended a program: an expected failure says what to do; a bug says where it is. */
export function failureOf(error: unknown): {
  readonly code?: string;
  readonly error: string;
  readonly where?: readonly string[];
} {
  if (isFault(error)) return { code: error.code, error: error.message };
  const [, ...where] = error instanceof Error ? (error.stack ?? '').split('\n    at ') : [];
  return { error: messageOf(error), where };
}
