import type { Fault } from '../../support/errors.ts';

export type SetupErrorCode =
  'UNKNOWN_DIRECTORY' | 'DIRECTORY_EXISTS' | 'UNKNOWN_KEY' | 'ALREADY_SERVING';

/** Something cannot be set up as asked; the message says what to do instead. */
export class SetupError extends Error implements Fault {
  override readonly name = 'SetupError';
  readonly code: SetupErrorCode;
  readonly retryable: boolean;

  constructor(code: SetupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = code === 'ALREADY_SERVING'; // until the other one ends
  }
}
