import fc from 'fast-check';
import { expect, test } from 'vitest';
import { refusalFor } from '../../../../../src/agent/commands/guard/guard.ts';
import type { GuardSettings } from '../../../../../src/agent/commands/guard/guard-settings.ts';
import type { AccountReading } from '../../../../../src/agent/directory/directory.ts';
import { OPEN_GUARD } from '../../../../support/command-rig.ts';
import { ORDINARY } from '../../../../support/ordinary-account.ts';

const RESET = { op: 'reset', by: 'self' } as const;

/** Every fact that the guard decides on. */
const FACTS = [
  'adminCount',
  'criticalSystemObject',
  'hasServicePrincipalName',
  'ownAccount',
  'disabled',
  'expired',
  'locked',
  'smartcardRequired',
  'distinguishedName',
  'sid',
  'samAccountType',
  'groupSids',
] as const satisfies readonly (keyof AccountReading)[];

test.each(FACTS)('without %s nothing is allowed', (fact) => {
  const { [fact]: _left, ...rest } = ORDINARY;
  expect(refusalFor(rest as AccountReading, RESET, OPEN_GUARD)).toBe('DIRECTORY_CONFIG');
});

test('a fact of another kind than it should be allows nothing', () => {
  const odd = fc.oneof(
    fc.constantFrom(null, undefined, NaN, '', 'false', 'FALSE', 0, 1, [], {}),
    fc.jsonValue({ maxDepth: 1 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...FACTS), odd, (fact, value) => {
      fc.pre(typeof value !== typeof ORDINARY[fact] || fact === 'groupSids');
      const account = { ...ORDINARY, [fact]: value };
      expect(refusalFor(account, RESET, OPEN_GUARD)).toBeDefined();
    }),
  );
});

test.each<[string, unknown]>([
  ['no group at all, although everybody has a primary one', []],
  ['something that is no SID among the groups', ['S-1-5-21-1-2-3-513', 'Domain Users']],
  ['a hole among the groups', ['S-1-5-21-1-2-3-513', undefined]],
  ['one text instead of a list', 'S-1-5-21-1-2-3-513'],
])('%s is no reading to decide on', (_what, groupSids) => {
  const account = { ...ORDINARY, groupSids } as AccountReading;
  expect(refusalFor(account, RESET, OPEN_GUARD)).toBe('DIRECTORY_CONFIG');
});

test('whatever else is true of it, an account with one reason against it is refused', () => {
  const flags = fc.record({
    locked: fc.boolean(),
    mustChange: fc.boolean(),
    passwordNeverExpires: fc.boolean(),
    hasServicePrincipalName: fc.boolean(),
  });
  const against = fc.constantFrom<Partial<AccountReading>>(
    { adminCount: true },
    { criticalSystemObject: true },
    { ownAccount: true },
    { disabled: true },
    { expired: true },
    { samAccountType: 805_306_370 },
    { sid: 'S-1-5-21-1000-2000-3000-500' },
    { groupSids: ['S-1-5-21-1000-2000-3000-513', 'S-1-5-21-1000-2000-3000-512'] },
    { distinguishedName: 'CN=Ann,OU=Elsewhere,DC=corp,DC=test' },
  );
  const guard = { ...OPEN_GUARD, allowServicePrincipalNames: true };
  fc.assert(
    fc.property(flags, against, fc.constantFrom('reset', 'unlock', 'change'), (some, one, op) => {
      const account = { ...ORDINARY, ...some, ...one };
      expect(refusalFor(account, { op, by: 'admin' }, guard)).toBeDefined();
    }),
  );
});

test('no setting makes an account touchable that another one keeps off', () => {
  const group = 'S-1-5-21-1000-2000-3000-2001';
  const member = { ...ORDINARY, groupSids: [...ORDINARY.groupSids, group] };
  const more = fc.record({
    allowServicePrincipalNames: fc.boolean(),
    allowedGroups: fc.constantFrom([], [group]),
    baseDns: fc.constantFrom(OPEN_GUARD.baseDns, ['DC=corp,DC=test'], ['DC=test']),
  });
  const keepsOff = fc.constantFrom<Partial<GuardSettings>>(
    { protectedGroups: [group] },
    { protectedAccounts: [ORDINARY.sid] },
    { deniedBaseDns: ['OU=People,DC=corp,DC=test'] },
    { deniedBaseDns: ['ou=PEOPLE , dc=corp,dc=test'] },
    { deniedBaseDns: ['OU=Péople,DC=corp,DC=test'] },
    { deniedBaseDns: ['no distinguished name'] },
  );
  fc.assert(
    fc.property(more, keepsOff, (settings, one) => {
      const guard = { ...OPEN_GUARD, ...settings, ...one };
      expect(refusalFor(member, RESET, guard)).toBeDefined();
    }),
  );
});

test('with required groups only their members are in scope, nested or not', () => {
  const required = 'S-1-5-21-1000-2000-3000-1200';
  const guard = { ...OPEN_GUARD, allowedGroups: [required, 'S-1-5-21-1000-2000-3000-1201'] };
  expect(refusalFor(ORDINARY, RESET, guard)).toBe('OUT_OF_SCOPE');
  const member = { ...ORDINARY, groupSids: [...ORDINARY.groupSids, required] };
  expect(refusalFor(member, RESET, guard)).toBeUndefined();
  const lookalike = { ...ORDINARY, groupSids: [...ORDINARY.groupSids, `${required}0`] };
  expect(refusalFor(lookalike, RESET, guard)).toBe('OUT_OF_SCOPE');
});

test('a single protected account is protected, and nobody whose SID begins like it', () => {
  const guard = { ...OPEN_GUARD, protectedAccounts: [ORDINARY.sid] };
  expect(refusalFor(ORDINARY, RESET, guard)).toBe('PROTECTED_ACCOUNT');
  expect(refusalFor({ ...ORDINARY, sid: `${ORDINARY.sid}1` }, RESET, guard)).toBeUndefined();
});
