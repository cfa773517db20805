import type { BrokenRule } from '../../protocol/account.ts';
import { CODES, factsOf, type OutcomeCode, type Retry } from '../../protocol/codes.ts';
import type { Fault } from '../../support/errors.ts';
import { serviceFactsOf, type ServiceCode } from './service-codes.ts';

export type ServiceErrorCode = ServiceCode | OutcomeCode;

export interface ServiceErrorDetails {
  /** For people: what is the case. */
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
  readonly action: string;
  readonly details: ServiceErrorDetails;

  constructor(code: ServiceErrorCode, details: ServiceErrorDetails = {}) {
    const { meaning, action, retry } = isOutcomeCode(code) ? factsOf(code) : serviceFactsOf(code);
    super(details.detail ?? meaning);
    this.code = code;
    this.action = details.action ?? action;
    this.retry = retry;
    this.retryable = this.retry === 'later';
    this.details = details;
  }
}

/** Whether a code is one of the agents'. */
export function isOutcomeCode(code: ServiceErrorCode): code is OutcomeCode {
  return Object.hasOwn(CODES, code);
}
