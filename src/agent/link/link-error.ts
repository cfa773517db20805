import type { Fault } from '../../support/errors.ts';

/** Whether dialling again may help without anyone changing anything. */
const RETRYABLE = {
  UNREACHABLE: true,
  TURNED_AWAY: true,
  UNTRUSTED: true,
  NOT_READY: true,
  NOT_A_SERVICE: true,
  PROXY: true,
  PROXY_LOGIN: true,
  NOT_ADMITTED: true,
  REVOKED: false,
  DISABLED: false,
  TOO_OLD: false,
} as const satisfies Record<string, boolean>;

export type LinkErrorCode = keyof typeof RETRYABLE;

/** No session came about. The message is the reason in words, with the cure where there is one. */
export class LinkError extends Error implements Fault {
  override readonly name = 'LinkError';
  readonly code: LinkErrorCode;
  readonly retryable: boolean;
  /** What the service asked for, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(code: LinkErrorCode, message: string, retryAfterMs = 0) {
    super(message);
    this.code = code;
    this.retryable = RETRYABLE[code];
    this.retryAfterMs = retryAfterMs;
  }
}
