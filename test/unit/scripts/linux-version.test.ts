import { expect, test } from 'vitest';
import { linuxVersion } from '../../../scripts/packaging/linux-tree.ts';

test('a pre-release gets the tilde that dpkg and rpm put before its release', () => {
  expect(linuxVersion('1.2.3-rc.1')).toBe('1.2.3~rc.1');
});

test('a release and a build of it stay as they are', () => {
  expect(linuxVersion('1.2.3')).toBe('1.2.3');
  expect(linuxVersion('1.2.3+trial')).toBe('1.2.3+trial');
});
