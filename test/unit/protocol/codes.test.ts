import { expect, test } from 'vitest';
import {
  CODES,
  factsOf,
  operationEvents,
  OUTCOME_CODES,
  type CodeFacts,
} from '../../../src/protocol/codes.ts';
import { RetryName, StatusName } from '../../../src/protocol/outcome.ts';
import { EVENTS } from '../../../src/support/events.ts';

/** The contract with callers and SIEM rules: changing a line here breaks somebody. */
const CONTRACT: readonly (readonly [
  codes: string,
  status: string,
  retry: string,
  event: number,
])[] = [
  [
    'EXPIRED NOT_YET_VALID BAD_SIGNATURE WRONG_DIRECTORY WRONG_AGENT MALFORMED MISMATCH',
    'refused',
    'never',
    32008,
  ],
  ['CLOCK_SKEW', 'refused', 'admin', 31123],
  ['UNKNOWN_KEY NOT_OPENABLE', 'refused', 'later', 32004],
  ['UNKNOWN_RECIPIENT', 'refused', 'admin', 32004],
  ['PAUSED DRAINING BUSY', 'refused', 'later', 31120],
  ['OPERATION_NOT_ALLOWED OUT_OF_SCOPE PROTECTED_ACCOUNT', 'refused', 'admin', 33004],
  ['RATE_LIMITED', 'refused', 'later', 31121],
  ['BREAKER_OPEN', 'refused', 'admin', 31121],
  ['DRY_RUN', 'refused', 'admin', 31124],
  ['SUPERSEDED', 'refused', 'user', 31122],
  ['ACCOUNT_NOT_FOUND', 'refused', 'admin', 33002],
  ['ACCOUNT_AMBIGUOUS', 'refused', 'admin', 33003],
  ['ACCOUNT_DISABLED ACCOUNT_EXPIRED SMARTCARD_REQUIRED', 'refused', 'admin', 33005],
  ['ACCOUNT_LOCKED', 'refused', 'user', 33006],
  ['WRONG_PASSWORD', 'refused', 'user', 33007],
  ['PASSWORD_POLICY PASSWORD_NOT_ENCODABLE', 'refused', 'user', 33008],
  ['CANNOT_CHANGE_PASSWORD', 'refused', 'admin', 33008],
  ['ACCESS_DENIED', 'failed', 'admin', 33004],
  ['DIRECTORY_CONFIG', 'failed', 'admin', 33009],
  ['DIRECTORY_UNREACHABLE DIRECTORY_BUSY', 'failed', 'later', 33001],
  ['DIRECTORY_REFUSED', 'failed', 'admin', 33001],
  ['INDETERMINATE', 'unknown', 'user', 33001],
];

const contracted = CONTRACT.flatMap(([codes, ...facts]) =>
  codes.split(' ').map((code) => [code, ...facts] as const),
);

test.each(contracted)('%s is %s, retry %s, event %i', (code, status, retry, event) => {
  expect(CODES).toHaveProperty(code);
  expect(factsOf(code as keyof typeof CODES)).toMatchObject({ status, retry, event });
});

test('there is no code but these', () => {
  expect([...OUTCOME_CODES].sort()).toEqual(
    ['APPLIED', ...contracted.map(([code]) => code)].sort(),
  );
});

test('only what was applied needs no retry', () => {
  expect(CODES.APPLIED).toMatchObject({ status: 'applied' });
  for (const code of OUTCOME_CODES) {
    expect([code, factsOf(code).retry === undefined]).toEqual([code, code === 'APPLIED']);
    expect(StatusName.options).toContain(factsOf(code).status);
    expect([undefined, ...RetryName.options]).toContain(factsOf(code).retry);
  }
});

test('the service hands over again by itself only what needs nobody and changed nothing', () => {
  const again = OUTCOME_CODES.filter((code) => factsOf(code).redispatch);
  expect(again).toEqual(['PAUSED', 'DRAINING', 'BUSY', 'DIRECTORY_UNREACHABLE', 'DIRECTORY_BUSY']);
  for (const code of again) {
    expect(factsOf(code)).toMatchObject({ retry: 'later' } satisfies Partial<CodeFacts>);
    expect(['refused', 'failed']).toContain(factsOf(code).status);
  }
});

test('every code says in a sentence what it means and what to do', () => {
  for (const code of OUTCOME_CODES) {
    expect(factsOf(code).meaning).toMatch(/^[A-Z].*\.$/);
    expect(factsOf(code).action).toMatch(/^[A-Z].*\.$/);
  }
});

test('operations have the numbers that SIEM rules know', () => {
  expect(operationEvents('reset', 'self')).toEqual({
    started: 31001,
    applied: 31002,
    failed: 31003,
  });
  expect(operationEvents('reset', 'admin')).toEqual({
    started: 31009,
    applied: 31010,
    failed: 31011,
  });
  for (const by of ['self', 'admin'] as const) {
    expect(operationEvents('change', by)).toEqual({
      started: 31006,
      applied: 31007,
      failed: 31008,
    });
    expect(operationEvents('unlock', by)).toEqual({
      started: 31101,
      applied: 31102,
      failed: 31103,
    });
  }
});

test('every number in the tables belongs to a line that the programs log', () => {
  const logged = new Set<number>(Object.values(EVENTS));
  for (const code of OUTCOME_CODES) expect(logged).toContain(factsOf(code).event);
  expect(logged.size).toBe(Object.keys(EVENTS).length);
});
