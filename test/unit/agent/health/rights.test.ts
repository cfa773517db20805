import { expect, test } from 'vitest';
import type { RightFinding, SelfTest } from '../../../../src/agent/directory/directory.ts';
import { rightsOf, selfTestReasons } from '../../../../src/agent/health/rights.ts';

const AT = Date.UTC(2030, 0, 1);
const DAY_MS = 86_400_000;
const [PEOPLE, STAFF] = ['OU=People,DC=corp,DC=test', 'OU=Staff,DC=corp,DC=test'];

function found(...rights: readonly RightFinding[]): SelfTest {
  const unexpire = { right: 'unexpirePassword', standing: 'granted' } as const;
  return { controller: 'dc1.corp.test', rights: [unexpire, ...rights] };
}

const all = (baseDn: string, standing: RightFinding['standing']): readonly RightFinding[] => [
  { baseDn, right: 'resetPassword', standing },
  { baseDn, right: 'writeLockoutTime', standing },
  { baseDn, right: 'writePwdLastSet', standing },
];

test('rights that are all there need no word', () => {
  const selfTest = found(...all(PEOPLE, 'granted'));
  expect(selfTestReasons(selfTest, AT)).toEqual([]);
  expect(Object.values(rightsOf(selfTest))).toEqual(['granted', 'granted', 'granted', 'granted']);
});

test('what is missing is named once for each place, with what to delegate', () => {
  const selfTest = found(...all(PEOPLE, 'missing'), ...all(STAFF, 'granted'));
  expect(selfTestReasons(selfTest, AT)).toEqual([
    `the service account lacks Reset Password, Write lockoutTime, Write pwdLastSet below ${PEOPLE}: delegate it there, for user objects`,
  ]);
  expect(rightsOf(selfTest)).toMatchObject({
    resetPassword: 'missing',
    unexpirePassword: 'granted',
  });
});

test('a place that is not there is told from one without rights', () => {
  const finding = { ...all(PEOPLE, 'missing')[0], reason: 'it does not exist' } as RightFinding;
  expect(selfTestReasons(found(finding), AT)).toEqual([
    `${PEOPLE}: it does not exist; correct guard.baseDns or delegate there`,
  ]);
});

test('what cannot be told is never granted, and alarms nobody', () => {
  const selfTest = found(...all(PEOPLE, 'granted'), ...all(STAFF, 'unknown'));
  expect(rightsOf(selfTest).resetPassword).toBe('unknown');
  expect(selfTestReasons(selfTest, AT)).toEqual([]);
  expect(rightsOf({ controller: 'dc1', rights: [] }).resetPassword).toBe('unknown');
});

test('without Unexpire Password it is said what that does to people', () => {
  const selfTest = {
    controller: 'dc1',
    rights: [{ right: 'unexpirePassword', standing: 'missing' } as const],
  };
  expect(selfTestReasons(selfTest, AT)).toEqual([
    expect.stringMatching(/must change it at the next/),
  ]);
});

test.each([
  ['never', undefined],
  [undefined, undefined],
  [AT + 31 * DAY_MS, undefined],
  [
    AT + 29 * DAY_MS,
    /expires in 29 days: set a new one, write it to directory\.bind\.passwordFile/,
  ],
  [AT - 1, /has expired or must be changed/],
  [0, /has expired or must be changed/],
] as const)('the password of the service account until %s', (passwordExpiresAt, words) => {
  const expiry = passwordExpiresAt === undefined ? {} : { passwordExpiresAt };
  expect(selfTestReasons({ ...found(), ...expiry }, AT)).toEqual(
    words === undefined ? [] : [expect.stringMatching(words)],
  );
});
