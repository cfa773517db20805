import { describe, expect, test } from 'vitest';
import { toLdapChanges, unicodePwd } from '../../../../src/agent/directory/account-changes.ts';
import { nameFilter, parseName } from '../../../../src/agent/directory/account-lookup.ts';
import { Secret } from '../../../../src/support/secret.ts';

const secret = (text: string): Secret => new Secret(text);

function shown(change: Parameters<typeof toLdapChanges>[0]) {
  return toLdapChanges(change).map(({ operation, modification: { type, values } }) => [
    operation,
    type,
    ...values.map((value) => (Buffer.isBuffer(value) ? value.toString('utf16le') : value)),
  ]);
}

describe('the one modify', () => {
  test.each([
    [false, false, []],
    [true, false, [['replace', 'lockoutTime', '0']]],
    [false, true, [['replace', 'pwdLastSet', '0']]],
    [
      true,
      true,
      [
        ['replace', 'lockoutTime', '0'],
        ['replace', 'pwdLastSet', '0'],
      ],
    ],
  ])('of a reset with unlock %s and must-change %s', (unlock, mustChange, rest) => {
    const change = {
      op: 'reset',
      password: secret('new'),
      unlock,
      mustChange,
      policyHints: 'off',
    } as const;
    expect(shown(change)).toEqual([['replace', 'unicodePwd', '"new"'], ...rest]);
  });

  test('of a change deletes the old password and adds the new one', () => {
    const change = { op: 'change', password: secret('new'), oldPassword: secret('old') } as const;
    expect(shown(change)).toEqual([
      ['delete', 'unicodePwd', '"old"'],
      ['add', 'unicodePwd', '"new"'],
    ]);
  });

  test('of an unlock touches the lockout only', () => {
    expect(shown({ op: 'unlock' })).toEqual([['replace', 'lockoutTime', '0']]);
  });
});

describe('a password', () => {
  test('is quoted UTF-16LE, unchanged', () => {
    expect(unicodePwd(secret('ä"€🦊')).toString('hex')).toBe('2200e4002200ac203ed88add2200');
    expect(unicodePwd(secret('x'.repeat(256)))).toHaveLength(516);
  });

  test.each(['a\0b', 'half \ud83e pair', 'x'.repeat(257)])(
    'that nobody could log on with is refused without being quoted',
    (text) => {
      expect(() => unicodePwd(secret(text))).toThrow(
        expect.objectContaining({ code: 'PASSWORD_NOT_ENCODABLE' }) as Error,
      );
      expect(() => unicodePwd(secret(text))).not.toThrow(text);
    },
  );
});

describe('a name', () => {
  const DOMAIN_DN = 'DC=corp,DC=test';

  test.each([
    ['anna', '(sAMAccountName=anna)'],
    ['CORP\\anna', '(sAMAccountName=anna)'],
    ['Anna@Corp.Test', '(|(userPrincipalName=Anna@Corp.Test)(sAMAccountName=Anna))'],
    ['anna@people.example', '(userPrincipalName=anna@people.example)'],
    ['anna@notcorp.test', '(userPrincipalName=anna@notcorp.test)'],
    ['anna@x.corp.test', '(userPrincipalName=anna@x.corp.test)'],
    ['@corp.test', '(userPrincipalName=@corp.test)'],
    ['a@b@corp.test', '(|(userPrincipalName=a@b@corp.test)(sAMAccountName=a@b))'],
  ])('%s finds who has it, also implicitly', (name, filter) => {
    const found = nameFilter(parseName(name), DOMAIN_DN).toString();
    expect(found).toBe(`(&(objectClass=user)${filter})`);
  });

  test.each([
    ['anna', { attribute: 'sAMAccountName', value: 'anna' }],
    ['anna@corp.test', { attribute: 'userPrincipalName', value: 'anna@corp.test' }],
    ['CORP\\anna', { attribute: 'sAMAccountName', value: 'anna', domain: 'CORP' }],
    ['corp.test\\a@b', { attribute: 'sAMAccountName', value: 'a@b', domain: 'corp.test' }],
    ['a\\b\\c', { attribute: 'sAMAccountName', value: 'b\\c', domain: 'a' }],
    ['\\anna', { attribute: 'sAMAccountName', value: 'anna', domain: '' }],
  ])('%s is read by its form', (name, parsed) => {
    expect(parseName(name)).toEqual(parsed);
  });

  test('is a value of the filter and never a part of its syntax', () => {
    const filter = nameFilter(parseName('*)(objectClass=*'), DOMAIN_DN);
    expect(filter.toString()).toBe(
      '(&(objectClass=user)(sAMAccountName=\\2a\\29\\28objectClass=\\2a))',
    );
  });
});
