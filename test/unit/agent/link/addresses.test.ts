import { expect, test } from 'vitest';
import { Addresses, type TryEnd } from '../../../../src/agent/link/addresses.ts';

const LOST: TryEnd = { at: 0, reason: 'lost', refused: false, upMs: 0, restMs: 0 };
const REVOKED: TryEnd = { at: 0, reason: 'revoked', refused: true, upMs: 0, restMs: 600_000 };

test('a round begins with the address that worked last, and goes on in order', () => {
  const addresses = new Addresses(['a', 'b', 'c']);
  expect(addresses.round(0)).toEqual(['a', 'b', 'c']);
  addresses.note('b', { ...LOST, upMs: 30_000 }, true, 0);
  expect(addresses.round(0)).toEqual(['b', 'c', 'a']);
});

test('an address that takes sessions and drops them does not keep the round to itself', () => {
  const addresses = new Addresses(['a', 'b']);
  addresses.note('a', { ...LOST, upMs: 10 }, false, 0);
  expect(addresses.round(0)).toEqual(['b', 'a']);
});

test('an address that asked for time is left out until then, the others are not', () => {
  const addresses = new Addresses(['a', 'b']);
  addresses.note('a', { ...LOST, restMs: 5_000 }, false, 0);
  expect(addresses.round(4_999)).toEqual(['b']);
  expect(addresses.restMs(0)).toBe(0);
  expect(addresses.round(5_000)).toEqual(['a', 'b']);
});

test('where all rest the one that is due first is asked, and not before', () => {
  const addresses = new Addresses(['a', 'b']);
  addresses.note('a', { ...LOST, restMs: 9_000 }, false, 0);
  addresses.note('b', { ...LOST, restMs: 3_000 }, false, 0);
  expect(addresses.restMs(1_000)).toBe(2_000);
  expect(addresses.round(1_000)).toEqual(['b']);
});

test('a refusal stands until its address says something else', () => {
  const addresses = new Addresses(['a', 'b']);
  addresses.note('a', REVOKED, false, 0);
  addresses.note('b', LOST, false, 0);
  expect(addresses.refusal).toEqual({ url: 'a', end: REVOKED });
  addresses.note('a', LOST, false, 700_000);
  expect(addresses.refusal).toBeUndefined();
});

test('a refusal says nothing any more once another address has had a session, and its address rests on', () => {
  const addresses = new Addresses(['a', 'b']);
  addresses.note('a', REVOKED, false, 0);
  addresses.note('b', { ...LOST, upMs: 10 }, false, 0);
  expect(addresses.refusal).toBeUndefined();
  expect(addresses.round(0)).toEqual(['b']);
});

test('a session that ends with a refusal leaves that one standing', () => {
  const addresses = new Addresses(['a', 'b']);
  addresses.note('b', REVOKED, false, 0);
  const end = { ...REVOKED, upMs: 10 };
  addresses.note('a', end, false, 0);
  expect(addresses.refusal).toEqual({ url: 'a', end });
});
