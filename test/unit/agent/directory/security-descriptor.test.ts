import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  accessList,
  CONTROL_RIGHTS,
  hasControlRight,
} from '../../../../src/agent/directory/security-descriptor.ts';
import {
  ALLOW,
  ALLOW_OBJECT,
  DENY,
  DENY_OBJECT,
  descriptor,
  INHERIT_ONLY,
  type Ace,
} from '../../../support/descriptor.ts';
import { sid } from '../../../support/ldap-domain.ts';

const RESET = CONTROL_RIGHTS.resetPassword;
const USER_CLASS = 'bf967aba-0de6-11d0-a285-00aa003049e2';
const [AGENT, GROUP, STRANGER] = [sid(1110), sid(1111), sid(1199)];
const OWN = new Set(['S-1-5-21-1-2-3-1110', 'S-1-5-21-1-2-3-1111']);

const given = (who: Buffer, objectType?: string): Ace => ({
  type: objectType === undefined ? ALLOW : ALLOW_OBJECT,
  sid: who,
  ...(objectType !== undefined && { objectType }),
});
const refused = (who: Buffer, objectType?: string): Ace => ({
  ...given(who, objectType),
  type: objectType === undefined ? DENY : DENY_OBJECT,
});

test.each<[string, readonly Ace[], boolean]>([
  ['nothing is granted by an empty list', [], false],
  ['the right itself', [given(AGENT, RESET)], true],
  ['the right through a group', [given(GROUP, RESET)], true],
  ['all extended rights', [given(AGENT)], true],
  [
    'all extended rights in an object entry without a type',
    [{ ...given(AGENT), type: ALLOW_OBJECT }],
    true,
  ],
  ['an unmapped generic all', [{ ...given(AGENT), mask: 0x1000_0000 }], true],
  ['full control as directories store it', [{ ...given(AGENT), mask: 0xf01ff }], true],
  ['another right', [given(AGENT, CONTROL_RIGHTS.unexpirePassword)], false],
  ["somebody else's right", [given(STRANGER, RESET)], false],
  ['the right to read and write', [{ ...given(AGENT), mask: 0x30 }], false],
  ['a right for what is below only', [{ ...given(AGENT, RESET), flags: INHERIT_ONLY }], false],
  [
    'a right that was inherited by user objects',
    [{ ...given(AGENT, RESET), flags: 0x12, inheritedObjectType: USER_CLASS }],
    true,
  ],
  [
    'all rights, inherited by class alone',
    [{ type: ALLOW_OBJECT, sid: AGENT, inheritedObjectType: USER_CLASS }],
    true,
  ],
  ['a refusal before the permission', [refused(AGENT, RESET), given(AGENT, RESET)], false],
  ['a refusal of everything, to a group', [refused(GROUP), given(AGENT, RESET)], false],
  ["somebody else's refusal", [refused(STRANGER), given(AGENT, RESET)], true],
  ['a refusal of another right', [refused(AGENT, USER_CLASS), given(AGENT, RESET)], true],
  [
    'an explicit permission before an inherited refusal',
    [given(AGENT, RESET), refused(AGENT)],
    true,
  ],
  [
    'a refusal for what is below only',
    [{ ...refused(AGENT), flags: INHERIT_ONLY }, given(AGENT)],
    true,
  ],
  ['a conditional permission', [{ ...given(AGENT), type: 0x09, tail: Buffer.from('artx') }], false],
  [
    'a conditional refusal before the permission',
    [{ ...refused(AGENT), type: 0x0a, tail: Buffer.from('artx') }, given(AGENT)],
    false,
  ],
  [
    'an entry of a type that decides nothing, before the permission',
    [{ type: 0x11, sid: AGENT }, given(AGENT)],
    true,
  ],
])('%s', (_what, aces, granted) => {
  const entries = accessList(descriptor(aces));
  expect(entries).toBeDefined();
  expect(hasControlRight(entries ?? [], RESET, OWN)).toBe(granted);
});

test('from a descriptor without a list nothing is concluded', () => {
  const whole = descriptor([given(AGENT, RESET)]);
  expect(accessList(descriptor([given(AGENT)], 0x8000))).toBeUndefined();
  expect(accessList(descriptor([given(AGENT)], 0x0004))).toBeUndefined();
  expect(accessList(Buffer.alloc(0))).toBeUndefined();
  expect(accessList(Buffer.alloc(20))).toBeUndefined();
  const nullList = Buffer.from(whole);
  nullList.writeUInt32LE(0, 16);
  expect(accessList(nullList)).toBeUndefined();
});

test('a descriptor cut at any place says nothing', () => {
  const whole = descriptor([refused(STRANGER, RESET), given(AGENT, RESET)]);
  for (let length = 0; length < whole.length; length++) {
    expect(accessList(whole.subarray(0, length))).toBeUndefined();
  }
});

test('whatever the bytes, reading them ends, with a list or without', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(399), (noise, at) => {
      const bytes = descriptor([refused(GROUP, RESET), given(AGENT, RESET), given(STRANGER)]);
      bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
      const entries = accessList(bytes);
      if (entries !== undefined) hasControlRight(entries, RESET, OWN);
    }),
  );
});
