import type { BrokenRule } from '../../protocol/account.ts';
import { CODES, factsOf, type OutcomeCode, type Retry } from '../../protocol/codes.ts';
import type { Fault } from '../../support/errors.ts';

/** What the service itself declines, on top of the agents' outcome codes. */
const OWN_CODES = {
  NO_AGENT: 'later',
  NO_ANSWER: 'later',
  AGENT_MISBEHAVED: 'admin',
  INVALID_OPTIONS: 'never',
  INVALID_PAUSE: 'never',
  UNKNOWN_OPERATION: 'never',
  OPERATION_CONFLICT: 'never',
  WRONG_BINDING: 'never',
  WRONG_RECIPIENT: 'later',
  SECRET_MISSING: 'never',
  SECRET_UNEXPECTED: 'never',
  UNKNOWN_AGENT: 'never',
  WRONG_FINGERPRINT: 'never',
  TOO_MANY_AGENTS: 'admin',
  AGENT_REVOKED: 'never',
  ENROLLMENT_REFUSED: 'admin',
} as const satisfies Record<string, Retry>;

export type ServiceErrorCode = keyof typeof OWN_CODES | OutcomeCode;

export interface ServiceErrorDetails {
  /** For people: what is the case and what to do. */
  readonly detail?: string;
  /** What to do, where that is more than the code's own text. */
  readonly action?: string;
  readonly rules?: readonly BrokenRule[];
  readonly notBefore?: string;
}

/** The service does not do what it was asked to, for a reason that the caller is told. */
export class ServiceError extends Error implements Fault {
  override readonly name = 'ServiceError';
  readonly code: ServiceErrorCode;
  readonly retryable: boolean;
  readonly retry: Retry | undefined;
  readonly details: ServiceErrorDetails;

  constructor(code: ServiceErrorCode, details: ServiceErrorDetails = {}) {
    super(details.detail ?? (isOutcomeCode(code) ? CODES[code].meaning : code));
    this.code = code;
    this.retry = isOutcomeCode(code) ? factsOf(code).retry : OWN_CODES[code];
    this.retryable = this.retry === 'later';
    this.details = details;
  }
}

/** Whether a code is one of the agents'. */
export function isOutcomeCode(code: ServiceErrorCode): code is OutcomeCode {
  return Object.hasOwn(CODES, code);
}
