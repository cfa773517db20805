import { expect, test } from 'vitest';
import { allowsOperation, refusalFor } from '../../../../../src/agent/commands/guard/guard.ts';
import type { AccountReading } from '../../../../../src/agent/directory/directory.ts';
import { OPEN_GUARD } from '../../../../support/command-rig.ts';
import { ORDINARY, ORDINARY_DOMAIN as DOMAIN } from '../../../../support/ordinary-account.ts';

const RESET = { op: 'reset', by: 'self' } as const;

test('an ordinary account in scope may be touched', () => {
  expect(refusalFor(ORDINARY, RESET, OPEN_GUARD)).toBeUndefined();
});

test('without a base DN no account is in scope', () => {
  expect(refusalFor(ORDINARY, RESET, { ...OPEN_GUARD, baseDns: [] })).toBe('OUT_OF_SCOPE');
});

test('a unit that only may be the allowed one is not it', () => {
  const account = { ...ORDINARY, distinguishedName: 'CN=Ann,OU=Péople,DC=corp,DC=test' };
  expect(refusalFor(account, RESET, OPEN_GUARD)).toBe('OUT_OF_SCOPE');
});

test('the first account that an admin can make is an ordinary one, the last that Windows makes is not', () => {
  expect(refusalFor({ ...ORDINARY, sid: `${DOMAIN}-1000` }, RESET, OPEN_GUARD)).toBeUndefined();
  const builtIn = { ...ORDINARY, sid: `${DOMAIN}-999` };
  expect(refusalFor(builtIn, RESET, OPEN_GUARD)).toBe('PROTECTED_ACCOUNT');
});

test('a denied unit inside an allowed one is out of scope', () => {
  const guard = { ...OPEN_GUARD, deniedBaseDns: ['ou=VIP, ou=people, dc=corp, dc=test'] };
  const account = { ...ORDINARY, distinguishedName: 'CN=Eve,OU=VIP,OU=People,DC=corp,DC=test' };
  expect(refusalFor(account, RESET, guard)).toBe('OUT_OF_SCOPE');
});

test.each<[string, Partial<AccountReading>]>([
  ['adminCount', { adminCount: true }],
  ['a critical system object', { criticalSystemObject: true }],
  ['the account the agent binds with', { ownAccount: true }],
  ['a service that logs on', { hasServicePrincipalName: true }],
  ['a machine or trust account', { samAccountType: 805_306_369 }],
  ['the built-in Administrator', { sid: `${DOMAIN}-500` }],
  ['krbtgt', { sid: `${DOMAIN}-502` }],
  ['a SID that is no domain account', { sid: 'S-1-5-32-544' }],
  ['a SID that is not one', { sid: '' }],
  ['a SID with something before it', { sid: `S-1-0-${DOMAIN}-1000` }],
  ['a SID with something behind it', { sid: `${DOMAIN}-1000-1` }],
  ['a Domain Admin', { groupSids: [`${DOMAIN}-512`] }],
  ["another domain's Enterprise Admin", { groupSids: ['S-1-5-21-9-9-9-519'] }],
  ['a member of BUILTIN Administrators', { groupSids: ['S-1-5-32-544'] }],
  ['a Backup Operator', { groupSids: ['S-1-5-32-551'] }],
])('%s is protected', (_what, facts) => {
  expect(refusalFor({ ...ORDINARY, ...facts }, RESET, OPEN_GUARD)).toBe('PROTECTED_ACCOUNT');
});

test.each([498, 512, 516, 517, 518, 519, 520, 521, 526, 527])(
  'members of the privileged group %i are protected, whichever domain it is of',
  (rid) => {
    for (const domain of [DOMAIN, 'S-1-5-21-9-9-9']) {
      const account = { ...ORDINARY, groupSids: [`${DOMAIN}-513`, `${domain}-${rid}`] };
      expect(refusalFor(account, RESET, OPEN_GUARD)).toBe('PROTECTED_ACCOUNT');
    }
  },
);

test.each([544, 548, 549, 550, 551, 552])('members of BUILTIN group %i are protected', (rid) => {
  const account = { ...ORDINARY, groupSids: [`${DOMAIN}-513`, `S-1-5-32-${rid}`] };
  expect(refusalFor(account, RESET, OPEN_GUARD)).toBe('PROTECTED_ACCOUNT');
});

test('a group of another authority that ends like a privileged one is none', () => {
  const groupSids = [`${DOMAIN}-513`, 'S-1-5-82-21-1000-2000-3000-512', 'S-1-18-1'];
  expect(refusalFor({ ...ORDINARY, groupSids }, RESET, OPEN_GUARD)).toBeUndefined();
});

test("members of the admin's own protected groups are protected", () => {
  const guard = { ...OPEN_GUARD, protectedGroups: [`${DOMAIN}-2001`] };
  const account = { ...ORDINARY, groupSids: [`${DOMAIN}-513`, `${DOMAIN}-2001`] };
  expect(refusalFor(account, RESET, guard)).toBe('PROTECTED_ACCOUNT');
});

test('accounts with a servicePrincipalName can be allowed, and nothing else with them', () => {
  const guard = { ...OPEN_GUARD, allowServicePrincipalNames: true };
  const account = { ...ORDINARY, hasServicePrincipalName: true };
  expect(refusalFor(account, RESET, guard)).toBeUndefined();
  expect(refusalFor({ ...account, adminCount: true }, RESET, guard)).toBe('PROTECTED_ACCOUNT');
});

test.each<['reset' | 'change' | 'unlock', Partial<AccountReading>, string | undefined]>([
  ['reset', { disabled: true }, 'ACCOUNT_DISABLED'],
  ['unlock', { disabled: true }, 'ACCOUNT_DISABLED'],
  ['reset', { expired: true }, 'ACCOUNT_EXPIRED'],
  ['reset', { smartcardRequired: true }, 'SMARTCARD_REQUIRED'],
  ['unlock', { smartcardRequired: true }, undefined],
  ['change', { locked: true }, 'ACCOUNT_LOCKED'],
  ['reset', { locked: true }, undefined],
  ['unlock', { locked: true }, undefined],
])('%s of an account with %o: %s', (op, facts, expected) => {
  expect(refusalFor({ ...ORDINARY, ...facts }, { op, by: 'self' }, OPEN_GUARD)).toBe(expected);
});

test('an operation is allowed for exactly the callers it is listed for', () => {
  const guard = { ...OPEN_GUARD, operations: { self: ['unlock'], admin: ['reset'] } } as const;
  expect(allowsOperation({ op: 'unlock', by: 'self' }, guard)).toBe(true);
  expect(allowsOperation({ op: 'reset', by: 'self' }, guard)).toBe(false);
  expect(allowsOperation({ op: 'reset', by: 'admin' }, guard)).toBe(true);
});

test.each<[string, Readonly<Record<string, unknown>>]>([
  ['adminCount', { adminCount: undefined }],
  ['isCriticalSystemObject', { criticalSystemObject: undefined }],
  ['servicePrincipalName', { hasServicePrincipalName: undefined }],
  ['whether it is the agent itself', { ownAccount: undefined }],
  ['a flag that is no flag', { disabled: 'FALSE' }],
  ['the distinguished name', { distinguishedName: undefined }],
  ['the SID', { sid: undefined }],
  ['sAMAccountType', { samAccountType: undefined }],
  ['tokenGroups', { groupSids: undefined }],
  ['any group', { groupSids: [] }],
  ['a group that is a SID', { groupSids: [`${DOMAIN}-513`, 'Domain Admins'] }],
  ['a group that is text', { groupSids: [`${DOMAIN}-513`, 512] }],
])(
  'a reading without %s is refused as one, never taken for an ordinary account',
  (_what, facts) => {
    const account = { ...ORDINARY, ...facts };
    expect(refusalFor(account, RESET, OPEN_GUARD)).toBe('DIRECTORY_CONFIG');
  },
);

test('where groups are required, only their members are in scope', () => {
  const guard = { ...OPEN_GUARD, allowedGroups: [`${DOMAIN}-1500`, `${DOMAIN}-1501`] };
  expect(refusalFor(ORDINARY, RESET, guard)).toBe('OUT_OF_SCOPE');
  const member = { ...ORDINARY, groupSids: [`${DOMAIN}-513`, `${DOMAIN}-1501`] };
  expect(refusalFor(member, RESET, guard)).toBeUndefined();
});
