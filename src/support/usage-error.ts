import type { Fault } from '../../support/errors.ts';

/** The command line asks for what cannot be; the message names the flag. */
export class UsageError extends Error implements Fault {
  override readonly name = 'UsageError';
  readonly code = 'USAGE';
  readonly retryable = false;
}
