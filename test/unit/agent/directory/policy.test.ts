import { expect, test } from 'vitest';
import { DirectoryEntry } from '../../../../src/agent/directory/entry.ts';
import {
  domainPolicy,
  fineGrainedPolicy,
} from '../../../../src/agent/directory/password-policy.ts';

function entry(attributes: Record<string, string | string[]>): DirectoryEntry {
  return new DirectoryEntry({ dn: 'DC=corp,DC=test', ...attributes }, 'dc1.corp.test');
}

test('the policy of the domain is read from its head', () => {
  const head = { minPwdLength: '7', pwdProperties: '16', pwdHistoryLength: '24' };
  expect(domainPolicy(entry({ ...head, minPwdAge: '0', lockoutThreshold: '0' }))).toEqual({
    source: 'domain',
    minimumLength: 7,
    complexity: false,
    historyLength: 24,
    minimumAgeSeconds: 0,
    lockoutThreshold: 0,
  });
});

test('what is not shown is absent, and nothing at all is unreadable', () => {
  expect(domainPolicy(entry({ minPwdLength: '7', pwdProperties: [] }))).toEqual({
    source: 'domain',
    minimumLength: 7,
  });
  expect(domainPolicy(entry({}))).toEqual({ source: 'unreadable' });
  expect(fineGrainedPolicy(entry({}))).toEqual({ source: 'unreadable' });
});

test('a fine-grained policy is read from its settings object', () => {
  expect(
    fineGrainedPolicy(
      entry({
        'msDS-MinimumPasswordLength': '16',
        'msDS-PasswordComplexityEnabled': 'TRUE',
        'msDS-MinimumPasswordAge': '-864000000000',
      }),
    ),
  ).toEqual({
    source: 'fine-grained',
    minimumLength: 16,
    complexity: true,
    minimumAgeSeconds: 86_400,
  });
});

test.each(['seven', '-0', '007', '9223372036854775808', '9999999999999999999'])(
  'a number that is none or does not fit (%s) is a configuration error',
  (minPwdLength) => {
    expect(() => domainPolicy(entry({ minPwdLength }))).toThrow(
      expect.objectContaining({ code: 'DIRECTORY_CONFIG' }) as Error,
    );
  },
);

test('attributes are found in any letter case and as a range', () => {
  const ranged = entry({ 'servicePrincipalName;range=0-1499': ['a', 'b'], PWDLASTSET: '5' });
  expect(ranged.has('servicePrincipalName')).toBe(true);
  expect(ranged.int64('pwdLastSet')).toBe('5');
  expect(entry({ servicePrincipalName: [] }).has('servicePrincipalName')).toBe(false);
});
