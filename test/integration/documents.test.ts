import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Parser } from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeAll, expect, test } from 'vitest';
import { documents, withFreshTables, type GeneratedDocument } from '../../scripts/lib/documents.ts';
import { OUTCOME_CODES } from '../../src/protocol/codes.ts';
import { FROM_AGENT, FROM_SERVICE } from '../../src/protocol/messages.ts';
import { TOKENS } from '../../src/protocol/tokens.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ASYNCAPI = 'src/protocol/asyncapi.json';
const OPENAPI = 'src/cloud/api/openapi.json';

let made: readonly GeneratedDocument[];

beforeAll(async () => {
  made = await documents(ROOT);
});

function contentOf(path: string): string {
  const content = made.find((document) => document.path === path)?.content;
  if (content === undefined) throw new Error(`${path} is not generated`);
  return content;
}

test('every generated document is the one of today: else run `npm run docs`', async () => {
  expect(made.map(({ path }) => path)).toEqual([
    ASYNCAPI,
    OPENAPI,
    'README.md',
    'config/REFERENCE.md',
    'service/OPERATING.md',
  ]);
  for (const { path, content } of made) {
    const checkedIn = await readFile(join(ROOT, path), 'utf8');
    expect([path, checkedIn === content ? 'fresh' : 'stale']).toEqual([path, 'fresh']);
  }
});

test('the document of the link is valid AsyncAPI 3.0', async () => {
  const { document, diagnostics } = await new Parser().parse(contentOf(ASYNCAPI));
  const errors = diagnostics.filter(({ severity }) => severity.valueOf() === 0);
  expect(errors.map(({ path, message }) => `${path.join('.')}: ${message}`)).toEqual([]);
  expect(document?.version()).toBe('3.0.0');
});

test('it says of every method who calls it and what is answered', async () => {
  const { document } = await new Parser().parse(contentOf(ASYNCAPI));
  const told = new Map(
    document
      ?.operations()
      .all()
      .map((operation) => [operation.id(), operation]),
  );
  const expected = [
    ...Object.entries(FROM_AGENT).map(([name, m]) => [`fromAgent.${name}`, 'send', m] as const),
    ...Object.entries(FROM_SERVICE).map(
      ([name, m]) => [`fromService.${name}`, 'receive', m] as const,
    ),
  ];
  expect([...told.keys()].sort()).toEqual(expected.map(([id]) => id).sort());
  for (const [id, action, method] of expected) {
    const operation = told.get(id);
    expect([id, operation?.action()]).toEqual([id, action]);
    expect([id, operation?.reply() !== undefined]).toEqual([id, 'result' in method]);
    expect(operation?.summary()).toMatch(/^[A-Z].*\.$/s);
  }
});

test('it has the claims of every token, every outcome code, and no loose reference', () => {
  const document = JSON.parse(contentOf(ASYNCAPI)) as Record<string, Record<string, unknown>>;
  expect(Object.keys(document['x-tokens'] ?? {})).toEqual(Object.keys(TOKENS));
  expect(Object.keys(document['x-outcome-codes'] ?? {})).toEqual(OUTCOME_CODES);
  const references = contentOf(ASYNCAPI).matchAll(/"\$ref": "#\/([^"]+)"/g);
  for (const [, path = ''] of references) {
    const target = path
      .split('/')
      .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], document);
    expect([path, typeof target]).toEqual([path, 'object']);
  }
  expect(contentOf(ASYNCAPI)).not.toContain('inline');
});

test('the document of the HTTP API is valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(contentOf(OPENAPI));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  expect(validator.version).toBe('3.1');
});

test('tables between markers are replaced, and nothing else', async () => {
  const text =
    'before\n\n<!-- generated: close codes -->\nstale rows\n<!-- end -->\n\nafter | x |\n';
  const fresh = await withFreshTables(text);
  expect(fresh).toMatch(/^before\n\n<!-- generated: close codes -->\n\n\| close code/);
  expect(fresh).toMatch(/\|\n\n<!-- end -->\n\nafter \| x \|\n$/);
  expect(fresh).not.toContain('stale rows');
  expect(await withFreshTables(fresh)).toBe(fresh);
  expect(await withFreshTables('no tables\n')).toBe('no tables\n');
});

test('a table that nobody makes, or that has no end, is an error', async () => {
  await expect(withFreshTables('<!-- generated: nonsense -->\n<!-- end -->')).rejects.toThrow(
    'no generated table is called "nonsense"',
  );
  await expect(withFreshTables('<!-- generated: close codes -->\n')).rejects.toThrow('no <!-- end');
});

test.each([
  'outcome codes',
  'service codes',
  'refusals of agents',
  'log events',
  'close codes',
  'agent configuration',
  'service configuration',
])('there is a table of %s, and it stays as it is under prettier', async (name) => {
  const text = await withFreshTables(`<!-- generated: ${name} -->\n<!-- end -->\n`);
  expect(text.split('\n').filter((line) => line.startsWith('|')).length).toBeGreaterThan(5);
});
