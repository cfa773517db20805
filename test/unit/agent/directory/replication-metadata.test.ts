import { expect, test } from 'vitest';
import { passwordMetadata } from '../../../../src/agent/directory/replication-metadata.ts';

const UNICODE_PWD = 0x9_005a;

function record(attribute: number, version: number): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt32LE(attribute, 0);
  bytes.writeUInt32LE(version, 4);
  bytes.writeBigUInt64LE(13_348_540_800n, 8); // 2024-01-01 in seconds since 1601
  Buffer.from('1ecd329f70f1be4fa4dd25129c3cf323', 'hex').copy(bytes, 16);
  bytes.writeBigUInt64LE(4_711n, 32);
  return bytes;
}

function vector(...records: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(1, 0);
  header.writeUInt32LE(records.length, 8);
  return Buffer.concat([header, ...records]);
}

test('the record of unicodePwd is found among the others', () => {
  expect(passwordMetadata(vector(record(0, 1), record(UNICODE_PWD, 3), record(7, 9)))).toEqual({
    version: 3,
    changedAt: '2024-01-01T00:00:00.000Z',
    invocationId: '9f32cd1e-f170-4fbe-a4dd-25129c3cf323',
    usn: '4711',
  });
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['half a header', Buffer.alloc(8)],
  ['another version', Buffer.alloc(16, 2)],
  ['no such record', vector(record(0, 1))],
  ['fewer records than announced', vector(record(UNICODE_PWD, 1)).subarray(0, 40)],
  ['a moment that is none', vector(record(UNICODE_PWD, 1).fill(0, 8, 16))],
  ['a moment beyond all years', vector(record(UNICODE_PWD, 1).fill(0xff, 8, 16))],
])('%s tells nothing', (_what, blob) => {
  expect(passwordMetadata(blob)).toBeUndefined();
});
