import { expect, test } from 'vitest';
import { tarArchive } from '../../../src/support/bundle/tar.ts';

const AT = Date.UTC(2030, 0, 1);

test('a file is a header with a right checksum, its content, and padding to whole blocks', () => {
  const archive = tarArchive([{ name: 'a/b.txt', content: 'Grüße' }], AT);
  expect(archive.length).toBe(512 + 512 + 1024);
  const header = Buffer.from(archive.subarray(0, 512));
  expect(header.toString('latin1', 0, 7)).toBe('a/b.txt');
  expect(header.toString('latin1', 100, 107)).toBe('0000600');
  expect(header.toString('latin1', 124, 135)).toBe('00000000007');
  expect(header.toString('latin1', 257, 262)).toBe('ustar');
  const sum = parseInt(header.toString('latin1', 148, 154), 8);
  header.fill(' ', 148, 156);
  expect(header.reduce((total, byte) => total + byte, 0)).toBe(sum);
  expect(archive.subarray(512, 519).toString()).toBe('Grüße');
});

test('an empty archive is the two empty blocks that end each', () => {
  expect(tarArchive([], AT)).toEqual(Buffer.alloc(1024));
});

test.each(['', 'x'.repeat(101), 'sp ace', 'ümlaut'])('the name %j is refused', (name) => {
  expect(() => tarArchive([{ name, content: '' }], AT)).toThrow(RangeError);
});
