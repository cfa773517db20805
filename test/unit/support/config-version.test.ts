import { expect, test } from 'vitest';
import { bringSettingsForward, type ConfigSteps } from '../../../src/support/config-version.ts';

/** Two versions on: a setting got another name, then another unit. */
const STEPS: ConfigSteps = [
  {
    says: 'drain is called drainS',
    rewrite: ({ drain, ...rest }) => ({ ...rest, ...(drain !== undefined && { drainS: drain }) }),
  },
  {
    says: 'drainS is drainMs, in milliseconds',
    rewrite: ({ drainS, ...rest }) => ({
      ...rest,
      ...(typeof drainS === 'number' && { drainMs: drainS * 1000 }),
    }),
  },
];

test.each([
  ['one that names no version', {}],
  ['one of version 1', { version: 1 }],
  ['one whose version is left empty', { version: null }],
])('%s is read as if it had been written today, and says what has changed', (_, version) => {
  const given = Object.freeze({ ...version, drain: 25, other: 'stays' });
  expect(bringSettingsForward(given, STEPS)).toEqual({
    tree: { drainMs: 25_000, other: 'stays' },
    notes: ['drain is called drainS', 'drainS is drainMs, in milliseconds'],
  });
});

test('only the steps after its version are taken', () => {
  expect(bringSettingsForward({ version: 2, drain: 1, drainS: 2 }, STEPS)).toEqual({
    tree: { drain: 1, drainMs: 2_000 },
    notes: ['drainS is drainMs, in milliseconds'],
  });
});

test('a file of the newest version is left as it is', () => {
  const newest = { drainMs: 3, drain: 'unknown by now' };
  expect(bringSettingsForward({ version: 3, ...newest }, STEPS)).toEqual({
    tree: newest,
    notes: [],
  });
});

test('a file of a newer version is not read at all, and the problem says what to do', () => {
  const { tree, problem } = bringSettingsForward({ version: 4, drainMs: 'new words' }, STEPS);
  expect(tree).toEqual({});
  expect(problem).toEqual({
    key: 'version',
    problem: expect.stringMatching(
      /^4 is of a newer passback, and this one \(.+\) reads 3 at the most: install the one/,
    ) as string,
  });
});

test.each([0, -1, 1.5, '1', true, [1], { of: 1 }])('%j is no version', (version) => {
  const { problem } = bringSettingsForward({ version }, STEPS);
  expect(problem?.problem).toMatch(/^expected 1 to 3, found /);
});
