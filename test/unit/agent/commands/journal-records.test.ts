import { expect, test } from 'vitest';
import {
  decodeRecord,
  encodeRecord,
  type JournalRecord,
} from '../../../../src/agent/commands/journal-records.ts';

const TOGGLE: JournalRecord = { type: 'toggle', version: 7, jws: 'aaa.bbb.ccc' };
const LINE = encodeRecord(TOGGLE).slice(0, -1);

test('a record reads back as it was written', () => {
  expect(decodeRecord(LINE)).toEqual(TOGGLE);
});

test('a line with any single character changed or cut is damaged', () => {
  for (let i = 0; i < LINE.length; i++) {
    const changed = LINE.slice(0, i) + (LINE[i] === 'x' ? 'y' : 'x') + LINE.slice(i + 1);
    expect(decodeRecord(changed), `changed at ${i}`).toBeUndefined();
    expect(decodeRecord(LINE.slice(0, i)), `cut at ${i}`).toBeUndefined();
  }
});

test('a record with a member that has no place in it is damaged', () => {
  const line = encodeRecord({ ...TOGGLE, password: 'x' } as JournalRecord).slice(0, -1);
  expect(decodeRecord(line)).toBeUndefined();
});
