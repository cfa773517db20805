import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CODES } from '../../../../src/protocol/codes.ts';
import { LINK_REFUSALS, SERVICE_CODES } from '../../../../src/cloud/writeback/service-codes.ts';
import {
  ServiceError,
  type ServiceErrorCode,
} from '../../../../src/cloud/writeback/service-error.ts';

const CLOUD = join(import.meta.dirname, '..', '..', '..', '..', 'src', 'cloud');

/** The codes that the sources of these folders send, found by how they are written there. */
async function sentIn(folders: readonly string[], pattern: RegExp): Promise<string[]> {
  const sent = new Set<string>();
  for (const folder of folders) {
    for (const name of await readdir(join(CLOUD, folder))) {
      const source = await readFile(join(CLOUD, folder, name), 'utf8');
      for (const [, code = ''] of source.matchAll(pattern)) sent.add(code);
    }
  }
  return [...sent].sort();
}

test('every code that the API can answer is an outcome code or in the table, and none is there in vain', async () => {
  const sent = await sentIn(['api', 'writeback'], /(?:ServiceError\(|\bcode: )'([A-Z_]+)'/g);
  const own = sent.filter((code) => !Object.hasOwn(CODES, code));
  expect(own).toEqual(Object.keys(SERVICE_CODES).sort());
});

test('every code that an agent is turned away with is in the table', async () => {
  const sent = await sentIn(
    ['link'],
    /(?:refused\(session, [\w.]+, |notAccepted\(session, |\bcode(?:: | = ))'([A-Z_]+)'/g,
  );
  expect(sent.length).toBeGreaterThan(8);
  expect(sent.filter((code) => !Object.hasOwn(LINK_REFUSALS, code))).toEqual([]);
});

test.each([...Object.entries(SERVICE_CODES), ...Object.entries(LINK_REFUSALS)])(
  '%s says in sentences what it means and what to do',
  (_code, { meaning, action }) => {
    expect(meaning).toMatch(/^[A-Z].*\.$/);
    expect(action).toMatch(/^[A-Z].*\.$/);
    expect(action).not.toBe(meaning);
  },
);

test('a refusal carries the action of its code, unless it knows a better one', () => {
  const codes = [...Object.entries(CODES), ...Object.entries(SERVICE_CODES)];
  for (const [code, { meaning, action }] of codes) {
    const error = new ServiceError(code as ServiceErrorCode);
    expect([code, error.message, error.action]).toEqual([code, meaning, action]);
  }
  expect(new ServiceError('NO_AGENT', { action: 'Start it.' }).action).toBe('Start it.');
});
