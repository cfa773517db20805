import { expect, test } from 'vitest';
import { isBelow } from '../../../../src/agent/commands/distinguished-name.ts';

test.each([
  ['CN=Ann,OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', true],
  ['CN=Ann,OU=Sales,OU=People,DC=corp,DC=test', 'ou=people, dc=corp, dc=test', true],
  ['OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', true],
  ['CN=Smith\\, Ann,OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', true],
  ['CN=Ann,OU=M\\C3\\BCnchen,DC=corp,DC=test', 'OU=München,DC=corp,DC=test', true],
  ['CN=Ann,OU=A\\,B,DC=corp', 'OU=A\\2cB,DC=corp', true],
  ['CN=Ann,OU=NotPeople,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', false],
  ['CN=x\\,OU=People\\,DC=corp\\,DC=test,DC=evil', 'OU=People,DC=corp,DC=test', false],
  ['CN=Ann,OU=x\\,OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', false],
  ['DC=corp,DC=test', 'OU=People,DC=corp,DC=test', false],
  ['CN=Ann,OU=People,DC=corp,DC=test', '', false],
  ['CN=Ann,OU=People,DC=corp,DC=test', ' , ', false],
])('%s below %s: %s', (dn, base, expected) => {
  expect(isBelow(dn, base)).toBe(expected);
});
