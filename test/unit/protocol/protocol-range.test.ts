import { expect, test } from 'vitest';
import { commonProtocol, protocolsInWords } from '../../../src/protocol/protocol-range.ts';

test.each([
  ['the same', [1, 1], [1, 1], 1],
  ['a newer peer that still speaks ours', [1, 4], [1, 2], 2],
  ['an older peer', [1, 2], [1, 4], 2],
  ['ranges that touch', [3, 5], [1, 3], 3],
  ['a peer that is too new', [3, 4], [1, 2], undefined],
  ['a peer that is too old', [1, 2], [3, 4], undefined],
] as const)('%s: the highest that both speak, if any', (_, theirs, ours, common) => {
  const range = ([min, max]: readonly [number, number]): { min: number; max: number } => ({
    ...{ min, max },
  });
  expect(commonProtocol(range(theirs), range(ours))).toBe(common);
});

test('a range is one word when it is one version', () => {
  expect(protocolsInWords({ min: 1, max: 1 })).toBe('protocol 1');
  expect(protocolsInWords({ min: 1, max: 3 })).toBe('protocols 1 to 3');
});
