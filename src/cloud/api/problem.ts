import type { Context } from 'hono';
import type { OutcomeCode } from '../../protocol/codes.ts';
import { z } from '@hono/zod-openapi';
import { BrokenRule } from '../../protocol/account.ts';
import { Timestamp } from '../../protocol/shapes.ts';
import {
  serviceFactsOf,
  type ProblemStatus,
  type ServiceCode,
} from '../writeback/service-codes.ts';
import { isOutcomeCode, type ServiceError } from '../writeback/service-error.ts';

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

const TITLES = {
  400: 'The request is not valid',
  401: 'No valid API key',
  403: 'Not allowed',
  404: 'Not found',
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

/** Refusals of the agents' that are not 422. */
const STATUSES: Partial<Record<OutcomeCode, ProblemStatus>> = {
  EXPIRED: 409,
  PAUSED: 503,
  DRAINING: 503,
  BUSY: 503,
  DIRECTORY_UNREACHABLE: 503,
  DIRECTORY_BUSY: 503,
  RATE_LIMITED: 429,
};

const RETRY_AFTER_S = 5;

export interface ProblemFacts extends Partial<Omit<Problem, 'code' | 'type'>> {
  readonly code: ServiceCode;
  /** Where it is not that of the code. */
  readonly status?: ProblemStatus;
}

/** Thrown by a route, it becomes that problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly facts: ProblemFacts;

  constructor(facts: ProblemFacts) {
    super(facts.detail ?? facts.code);
    this.facts = facts;
  }
}

/** A problem as a response, with what its code says of it. */
export function problem(c: Context, facts: ProblemFacts): Response {
  const { status, retry, action } = serviceFactsOf(facts.code);
  return respond(c, { status, retry, action, ...facts });
}

/** What the service declines, as a response. */
export function serviceProblem(c: Context, error: ServiceError): Response {
  const { code, message, retry, action, details } = error;
  return respond(c, {
    status: isOutcomeCode(code) ? (STATUSES[code] ?? 422) : serviceFactsOf(code).status,
    code,
    detail: message,
    ...(retry !== undefined && { retry }),
    action,
    ...(details.rules !== undefined && { rules: [...details.rules] }),
    ...(details.notBefore !== undefined && { notBefore: details.notBefore }),
  });
}

interface Answer extends Omit<Problem, 'type' | 'title' | 'status'> {
  readonly status: ProblemStatus;
}

function respond(c: Context, { status, code, ...facts }: Answer): Response {
  const requestId = c.get('requestId') as string | undefined;
  const body: Problem = {
    type: `urn:passback:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: TITLES[status],
    status,
    code,
    ...facts,
    ...(requestId !== undefined && { requestId }),
  };
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE };
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  if (status === 503 || status === 429) headers['retry-after'] = retryAfter(facts.notBefore);
  return c.body(JSON.stringify(body), status, headers);
}

function retryAfter(notBefore: string | undefined): string {
  if (notBefore === undefined) return String(RETRY_AFTER_S);
  const seconds = Math.ceil((Date.parse(notBefore) - Date.now()) / 1000);
  return String(Math.max(1, seconds));
}
