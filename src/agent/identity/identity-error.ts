import type { Fault } from '../../support/errors.ts';

/** What can be wrong with an agent's identity, and whether time alone may cure it. */
const RETRYABLE = {
  NOT_ENROLLED: false,
  ALREADY_ENROLLED: false,
  STATE_UNREADABLE: false,
  STATE_DAMAGED: false,
  STATE_LOCKED: true,
  TOKEN_UNREADABLE: false,
  TOKEN_REFUSED: false,
  TLS_UNTRUSTED: false,
  PROXY_REFUSED: false,
  SERVICE_UNREACHABLE: true,
  SERVICE_REFUSED: false,
  ANSWER_NOT_AUTHENTIC: false,
  WRONG_ROOT: false,
} as const satisfies Record<string, boolean>;

export type IdentityErrorCode = keyof typeof RETRYABLE;

/** Its message names the cause and the cure, and quotes no token and no key. */
export class IdentityError extends Error implements Fault {
  override readonly name = 'IdentityError';
  readonly code: IdentityErrorCode;
  readonly retryable: boolean;

  constructor(code: IdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = RETRYABLE[code];
  }
}
