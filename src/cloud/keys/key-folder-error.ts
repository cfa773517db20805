import type { Fault } from '../../support/errors.ts';

export type KeyFolderErrorCode =
  | 'KEYS_MISSING'
  | 'KEYS_DAMAGED'
  | 'KEYS_EXIST'
  | 'KEYS_EXPIRED'
  | 'ROOT_KEY_MISSING'
  | 'DRAFT_UNUSABLE';

/** The key folder is not usable as it is; the message says what to do about it. */
export class KeyFolderError extends Error implements Fault {
  override readonly name = 'KeyFolderError';
  readonly code: KeyFolderErrorCode;
  readonly retryable = false;

  constructor(code: KeyFolderErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
