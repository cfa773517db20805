import type { Fault } from '../../support/errors.ts';

export type JournalErrorCode =
  'JOURNAL_DAMAGED' | 'JOURNAL_NEWER' | 'JOURNAL_UNWRITABLE' | 'JOURNAL_FULL';

/** What the journal cannot do. Only `JOURNAL_FULL` passes by itself, once there is room. */
export class JournalError extends Error implements Fault {
  override readonly name = 'JournalError';
  readonly code: JournalErrorCode;
  readonly retryable: boolean;

  constructor(code: JournalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = code === 'JOURNAL_FULL';
  }
}
