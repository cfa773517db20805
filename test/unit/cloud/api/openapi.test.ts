import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { openApiDocument } from '../../../../src/cloud/api/openapi.ts';
import { preferredWaitMs } from '../../../../src/cloud/api/prefer.ts';

test('the API describes itself as a valid OpenAPI 3.1 document', async () => {
  const document = openApiDocument() as { openapi: string; paths: Record<string, object> };
  const result = await new Validator().validate(structuredClone(document));
  expect(result.errors ?? []).toEqual([]);
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document.paths).sort()).toEqual([
    '/v1/directories/{directory}/agents',
    '/v1/directories/{directory}/agents/{id}',
    '/v1/directories/{directory}/agents/{id}/approve',
    '/v1/directories/{directory}/agents/{id}/disable',
    '/v1/directories/{directory}/agents/{id}/enable',
    '/v1/directories/{directory}/audit',
    '/v1/directories/{directory}/enrollment-tokens',
    '/v1/directories/{directory}/operations/{id}',
    '/v1/directories/{directory}/operations/{id}/close',
    '/v1/directories/{directory}/prepare',
    '/v1/directories/{directory}/status',
    '/v1/directories/{directory}/writeback',
    '/v1/enroll',
  ]);
});

test('every operation but enrolment asks for an API key, and every one can answer a problem', () => {
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, Route>> };
  for (const [path, methods] of Object.entries(paths)) {
    for (const route of Object.values(methods)) {
      expect(route.security).toEqual(path === '/v1/enroll' ? undefined : [{ apiKey: [] }]);
      expect(Object.keys(route.responses.default?.content ?? {})).toEqual([
        'application/problem+json',
      ]);
    }
  }
});

interface Route {
  readonly security?: object[];
  readonly responses: { readonly default?: { readonly content: object } };
}

test.each([
  [undefined, 0],
  ['', 0],
  ['wait=20', 20_000],
  ['respond-async, wait=5', 5_000],
  ['wait=9999', 60_000],
  ['wait=-1', 0],
  ['wait=abc', 0],
  ['await=7', 0],
])('Prefer: %s waits %d ms', (header, ms) => {
  expect(preferredWaitMs(header)).toBe(ms);
});
