import { expect, test } from 'vitest';
import { accessList, ADMINISTRATORS, SYSTEM } from '../../../../src/support/windows/access-list.ts';

test('an access list names who may do what, and inherits nothing', () => {
  const entries = [
    { who: SYSTEM, access: 'full' },
    { who: ADMINISTRATORS, access: 'full' },
    { who: 'S-1-5-80-1', access: 'read' },
  ] as const;
  expect(accessList('file', entries)).toBe('D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;S-1-5-80-1)');
});

test('what is made in a folder later gets the same', () => {
  const entries = [{ who: SYSTEM, access: 'modify' }] as const;
  expect(accessList('folder', entries)).toBe('D:P(A;OICI;0x1301bf;;;SY)');
});
