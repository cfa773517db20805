import type { z } from '@hono/zod-openapi';
import { Problem, PROBLEM_TYPE } from './problem.ts';

interface Content<T extends z.ZodType> {
  readonly description: string;
  readonly content: { readonly 'application/json': { readonly schema: T } };
}

/** A JSON answer in a route's description. */
export function json<T extends z.ZodType>(schema: T, description: string): Content<T> {
  return { description, content: { 'application/json': { schema } } };
}

/** A JSON body that has to be there. */
export function body<T extends z.ZodType>(
  schema: T,
): { readonly required: true } & Pick<Content<T>, 'content'> {
  return { required: true, content: { 'application/json': { schema } } };
}

/** What every route can answer besides; problems are returned by the middleware and the error handler. */
export const problems = {
  default: {
    description: 'Anything else, as RFC 9457 problem details.',
    content: { [PROBLEM_TYPE]: { schema: Problem } },
  },
} as const;

export const SECURITY = [{ apiKey: [] }];
