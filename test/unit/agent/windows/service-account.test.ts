import { expect, test } from 'vitest';
import { serviceAccount } from '../../../../src/agent/windows/service-account.ts';
import { serviceSid } from '../../../../src/support/windows/virtual-account.ts';

test('without a name it is the virtual account of the service', () => {
  expect(serviceAccount('passback')).toEqual({
    name: 'NT SERVICE\\passback',
    needsPassword: false,
  });
});

test.each([
  ['localsystem', 'LocalSystem', false],
  ['NT AUTHORITY\\SYSTEM', 'LocalSystem', false],
  ['nt authority\\networkservice', 'NT AUTHORITY\\NetworkService', false],
  ['NT SERVICE\\passback', 'NT SERVICE\\passback', false],
  ['CORP\\gmsa-passback$', 'CORP\\gmsa-passback$', false],
  ['CORP\\svc', 'CORP\\svc', true],
  ['.\\local', '.\\local', true],
  ['svc@corp.example.com', 'svc@corp.example.com', true],
])('%s is %s', (given, name, needsPassword) => {
  expect(serviceAccount('passback', given)).toEqual({ name, needsPassword });
});

test.each(['svc', 'a\\b\\c', 'CORP\\', '', 'CORP\\a b"c'])('%j is refused', (given) => {
  expect(() => serviceAccount('passback', given)).toThrow('--account: expected DOMAIN\\name');
});

test('the SID of a virtual account is the one that Windows gives it', () => {
  // TrustedInstaller is the same on every Windows.
  expect(serviceSid('TrustedInstaller')).toBe(
    'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464',
  );
  expect(serviceSid('trustedinstaller')).toBe(serviceSid('TrustedInstaller'));
});
