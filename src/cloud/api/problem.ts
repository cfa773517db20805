import type { Context } from 'hono';
import { factsOf } from '../../protocol/codes.ts';
import { z } from '@hono/zod-openapi';
import { BrokenRule } from '../../protocol/account.ts';
import { Timestamp } from '../../protocol/shapes.ts';
import {
  isOutcomeCode,
  type ServiceError,
  type ServiceErrorCode,
} from '../writeback/service-error.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** RFC 9457 problem details, with our stable code and what can be done about it. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    /** Who can do something: nobody has to (`later`), the person, an administrator, or nobody can. */
    retry: z.enum(['later', 'user', 'admin', 'never']).optional(),
    action: z.string().optional(),
    rules: z.array(BrokenRule).optional(),
    notBefore: Timestamp.optional(),
    errors: z.array(z.object({ path: z.string(), detail: z.string() })).optional(),
    requestId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

export type Problem = z.infer<typeof Problem>;

type ProblemStatus =
  400 | 401 | 403 | 404 | 405 | 409 | 411 | 413 | 415 | 422 | 429 | 500 | 502 | 503 | 504;

const TITLES = {
  400: 'The request is not valid',
  401: 'No valid API key',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  411: 'Length required',
  413: 'The request is too large',
  415: 'Unsupported media type',
  422: 'Refused',
  429: 'Too many requests',
  500: 'The service failed',
  502: 'An agent misbehaved',
  503: 'Not possible at the moment',
  504: 'No answer',
} as const satisfies Record<ProblemStatus, string>;

/** Refusals that are not 422. */
const STATUSES: Partial<Record<ServiceErrorCode, ProblemStatus>> = {
  NO_AGENT: 503,
  NO_ANSWER: 504,
  AGENT_MISBEHAVED: 502,
  INVALID_OPTIONS: 400,
  INVALID_PAUSE: 400,
  UNKNOWN_OPERATION: 404,
  OPERATION_CONFLICT: 409,
  EXPIRED: 409,
  UNKNOWN_AGENT: 404,
  WRONG_FINGERPRINT: 409,
  TOO_MANY_AGENTS: 409,
  AGENT_REVOKED: 409,
  ENROLLMENT_REFUSED: 403,
  PAUSED: 503,
  DRAINING: 503,
  BUSY: 503,
  DIRECTORY_UNREACHABLE: 503,
  DIRECTORY_BUSY: 503,
  RATE_LIMITED: 429,
};

const RETRY_AFTER_S = 5;

export interface ProblemFacts extends Partial<Omit<Problem, 'status' | 'code' | 'type'>> {
  readonly code: string;
}

/** Thrown by a route, it becomes that problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: ProblemStatus;
  readonly facts: ProblemFacts;

  constructor(status: ProblemStatus, facts: ProblemFacts) {
    super(facts.detail ?? facts.code);
    this.status = status;
    this.facts = facts;
  }
}

/** A problem as a response. */
export function problem(c: Context, status: ProblemStatus, facts: ProblemFacts): Response {
  const requestId = c.get('requestId') as string | undefined;
  const body: Problem = {
    type: `urn:passback:problem:${facts.code.toLowerCase().replaceAll('_', '-')}`,
    title: TITLES[status],
    status,
    ...facts,
    ...(requestId !== undefined && { requestId }),
  };
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE };
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  if (status === 503 || status === 429) headers['retry-after'] = retryAfter(facts.notBefore);
  return c.body(JSON.stringify(body), status, headers);
}

/** What the service declines, as a response. */
export function serviceProblem(c: Context, error: ServiceError): Response {
  const { code, message, retry, details } = error;
  return problem(c, STATUSES[code] ?? 422, {
    code,
    detail: message,
    ...(retry !== undefined && { retry }),
    ...(isOutcomeCode(code) && { action: details.action ?? factsOf(code).action }),
    ...(details.rules !== undefined && { rules: [...details.rules] }),
    ...(details.notBefore !== undefined && { notBefore: details.notBefore }),
  });
}

function retryAfter(notBefore: string | undefined): string {
  if (notBefore === undefined) return String(RETRY_AFTER_S);
  const seconds = Math.ceil((Date.parse(notBefore) - Date.now()) / 1000);
  return String(Math.max(1, seconds));
}
