import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  judge,
  type Before,
  type Verdict,
  type Write,
} from '../../../../src/agent/commands/evidence.ts';
import { toFiletime } from '../../../../src/agent/directory/filetime.ts';
import { SEEDED } from '../../../support/seeded.ts';

const START = Date.UTC(2030, 0, 1);
const HERE = '00000000-0000-4000-8000-0000000000d1';
const THERE = '00000000-0000-4000-8000-0000000000d2';
const DC1 = 'dc1.corp.test';
const DC2 = 'dc2.corp.test';
const WINDOWS = [{ fromMs: START, untilMs: START + 23_000 }];

function at(ms: number): string {
  return toFiletime(START + ms);
}

function version(number: number, ms: number, invocationId = HERE, usn = '7') {
  const changedAt = new Date(START + ms).toISOString();
  return { version: number, changedAt, invocationId, usn };
}

const BEFORE: Before = { controller: DC1, pwdLastSet: at(-86_400_000), lockoutTime: '0' };
const NOW = { controllerTimeMs: START + 5_000 };

function verdict(
  before: Partial<Before>,
  after: Partial<Before> & { controllerTimeMs?: number },
  write: Partial<Write> = {},
): Verdict {
  const was = { ...BEFORE, ...before };
  const asked = { op: 'reset' as const, mustChange: false, windows: WINDOWS, ...write };
  return judge(was, { ...was, ...NOW, ...after }, asked);
}

describe('by replication metadata', () => {
  const known = { unicodePwd: version(3, -9_000_000), invocationId: HERE };

  test.each<[string, Verdict, ReturnType<typeof version>]>([
    ['the same version from the same place', 'not-moved', version(3, -9_000_000)],
    ['the same version from elsewhere', 'moved-outside', version(3, 5_000, THERE)],
    ['one more, in time', 'moved-inside', version(4, 5_000)],
    ['one more, in the second before', 'moved-inside', version(4, -999)],
    ['one more, too early', 'moved-outside', version(4, -3_000)],
    ['one more, too late', 'moved-outside', version(4, 60_000)],
    ['one more, written on another controller', 'moved-outside', version(4, 5_000, THERE)],
    ['two more, the last in time', 'moved-undated', version(5, 5_000)],
    ['two more, the last too late', 'moved-outside', version(5, 60_000)],
    ['two more, the last on another controller', 'moved-outside', version(5, 5_000, THERE)],
    ['one less', 'behind', version(2, -9_000_001)],
  ])('%s: %s', (_what, expected, unicodePwd) => {
    expect(verdict(known, { unicodePwd })).toBe(expected);
    expect(verdict({ ...known, pwdLastSet: '0' }, { unicodePwd }, { mustChange: true })).toBe(
      expected,
    );
  });
});

test('one more in time that does not ask for a change is not the write that would have', () => {
  const before = { unicodePwd: version(3, -9_000_000), invocationId: HERE };
  const after = { unicodePwd: version(4, 5_000), pwdLastSet: at(5_000) };
  expect(verdict(before, after, { mustChange: true })).toBe('moved-outside');
  expect(verdict(before, after, { mustChange: false })).toBe('moved-inside');
});

test.each<[string, number, Verdict]>([
  ['half a second before its time', -500, 'moved-inside'],
  ['more than that before its time', -501, 'moved-outside'],
  ['a second and a half before its time', -1_500, 'moved-outside'],
  ['in its time', 5_400, 'moved-inside'],
  ['two seconds after its time', 25_000, 'moved-inside'],
  ['more than that after its time', 25_001, 'moved-outside'],
])('a write of %s has the moment of its pwdLastSet', (_what, ms, expected) => {
  const before = { unicodePwd: version(3, -9_000_000), invocationId: HERE };
  const changedAt = Math.floor(ms / 1000) * 1000;
  const after = { unicodePwd: version(4, changedAt), pwdLastSet: at(ms) };
  expect(verdict(before, after)).toBe(expected);
  expect(verdict({}, { pwdLastSet: at(ms) })).toBe(expected);
});

test.each<[string, number, Verdict]>([
  ['surely in its time', 6_000, 'moved-inside'],
  ['half a second before that', 2_500, 'moved-inside'],
  ['perhaps before its time', 2_499, 'moved-undated'],
  ['perhaps in its time', -500, 'moved-undated'],
  ['surely before its time', -501, 'moved-outside'],
  ['two seconds after its time', 22_000, 'moved-inside'],
  ['perhaps after its time', 22_001, 'moved-undated'],
  ['surely after its time', 25_001, 'moved-outside'],
])('with clocks that are 3 s apart or not, a write %s is what is sure', (_what, ms, expected) => {
  const windows = WINDOWS.map((window) => ({ ...window, unsureMs: 3_000 }));
  const before = { unicodePwd: version(3, -9_000_000), invocationId: HERE };
  const changedAt = Math.floor(ms / 1000) * 1000;
  const after = { unicodePwd: version(4, changedAt), pwdLastSet: at(ms) };
  expect(verdict(before, after, { windows })).toBe(expected);
  expect(verdict({}, { pwdLastSet: at(ms) }, { windows })).toBe(expected);
});

test('a window whose ends may pass each other proves nothing', () => {
  const windows = WINDOWS.map((window) => ({ ...window, unsureMs: 60_000 }));
  expect(verdict({}, { pwdLastSet: at(5_000) }, { windows })).toBe('moved-undated');
});

describe('without metadata', () => {
  test.each<[string, Verdict, Partial<Before>, Partial<Before>]>([
    ['the same time', 'not-moved', {}, { usnChanged: '9' }],
    ['a time inside', 'moved-inside', {}, { pwdLastSet: at(5_000) }],
    ['a time before', 'moved-outside', {}, { pwdLastSet: at(-60_000) }],
    ['a time after', 'moved-outside', {}, { pwdLastSet: at(60_000) }],
    ['0 to a time inside', 'moved-inside', { pwdLastSet: '0' }, { pwdLastSet: at(5_000) }],
    ['0 to 0', 'undecidable', { pwdLastSet: '0', usnChanged: '8' }, { usnChanged: '9' }],
    ['0 to 0 and no number known', 'undecidable', { pwdLastSet: '0' }, {}],
    ['an untouched object', 'not-moved', { pwdLastSet: '0', usnChanged: '8' }, {}],
    ['an older time elsewhere', 'behind', {}, { controller: DC2, pwdLastSet: at(-90_000_000) }],
    ['an older time here', 'moved-outside', {}, { pwdLastSet: at(-90_000_000) }],
  ])('%s: %s', (_what, expected, before, after) => {
    expect(verdict(before, after)).toBe(expected);
  });

  test('an object number says nothing on another controller or in another life of its database', () => {
    const before = { pwdLastSet: '0', usnChanged: '8', invocationId: HERE };
    expect(verdict(before, {})).toBe('not-moved');
    expect(verdict(before, { controller: DC2 })).toBe('undecidable');
    expect(verdict(before, { invocationId: THERE })).toBe('undecidable');
  });

  test('a time that must-change would have made 0 is somebody else’s', () => {
    expect(verdict({}, { pwdLastSet: at(5_000) }, { mustChange: true })).toBe('moved-outside');
  });

  test('a time that became 0 is ours only while nobody else had the time', () => {
    const zeroed = { pwdLastSet: '0' };
    for (const mustChange of [true, false]) {
      expect(verdict({}, zeroed, { mustChange })).toBe('moved-inside');
      const later = { ...zeroed, controllerTimeMs: START + 60_000 };
      expect(verdict({}, later, { mustChange })).toBe('moved-undated');
    }
    expect(verdict({}, zeroed, { op: 'change' })).toBe('moved-undated');
    const windows = WINDOWS.map((window) => ({ ...window, unsureMs: 3_000 }));
    for (const [ms, expected] of [
      [22_000, 'moved-inside'],
      [22_001, 'moved-undated'],
    ] as const) {
      const seen = { ...zeroed, controllerTimeMs: START + ms };
      expect(verdict({}, seen, { windows })).toBe(expected);
    }
  });
});

test.each<[string, string, Verdict]>([
  ['0', '0', 'moved-inside'],
  [at(-60_000), '0', 'moved-inside'],
  [at(-60_000), at(-60_000), 'not-moved'],
  [at(-60_000), at(5_000), 'moved-outside'],
  ['0', at(5_000), 'moved-outside'],
])('an unlock from %s to %s is %s', (was, is, expected) => {
  expect(verdict({ lockoutTime: was }, { lockoutTime: is }, { op: 'unlock' })).toBe(expected);
});

const reading = fc.record(
  {
    controller: fc.constantFrom(DC1, DC2),
    pwdLastSet: fc.constantFrom('0', at(-86_400_000), at(-1), at(5_000), at(99_000)),
    lockoutTime: fc.constantFrom('0', at(-60_000), at(5_000)),
    usnChanged: fc.constantFrom('8', '9'),
    invocationId: fc.constantFrom(HERE, THERE),
    unicodePwd: fc
      .tuple(fc.nat(4), fc.integer({ min: -9, max: 99 }), fc.constantFrom(HERE, THERE))
      .map(([number, seconds, where]) => version(number, seconds * 1000, where)),
  },
  { requiredKeys: ['controller', 'pwdLastSet', 'lockoutTime'] },
);

const OPERATIONS = fc.constantFrom('reset' as const, 'change' as const);

test('an account that nobody touched never looks moved, and one that somebody wrote twice never ours', () => {
  fc.assert(
    fc.property(reading, OPERATIONS, fc.boolean(), (before, op, mustChange) => {
      expect(['not-moved', 'undecidable']).toContain(verdict(before, before, { op, mustChange }));
      if (before.unicodePwd === undefined) return;
      const twice = { ...before.unicodePwd, version: before.unicodePwd.version + 2 };
      const after = { ...before, unicodePwd: twice };
      expect(['moved-outside', 'moved-undated']).toContain(
        verdict(before, after, { op, mustChange }),
      );
    }),
    SEEDED,
  );
});

test('without a window nothing is ours', () => {
  fc.assert(
    fc.property(reading, reading, OPERATIONS, fc.boolean(), (before, after, op, mustChange) => {
      const was = { ...BEFORE, ...before };
      const is = { ...was, ...after, ...NOW };
      expect(judge(was, is, { op, mustChange, windows: [] })).not.toBe('moved-inside');
    }),
    SEEDED,
  );
});
