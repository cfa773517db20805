import { describe, expect, test } from 'vitest';
import {
  fromFiletime,
  intervalSeconds,
  toFiletime,
} from '../../../../src/agent/directory/filetime.ts';
import { fromGeneralizedTime } from '../../../../src/agent/directory/generalized-time.ts';
import { guidDn, guidText } from '../../../../src/agent/directory/guid.ts';
import { domainOf, sidText } from '../../../../src/agent/directory/sid.ts';

describe('a FILETIME', () => {
  test.each([
    ['116444736000000000', 0],
    ['133485408000000000', Date.UTC(2024, 0, 1)],
  ])('%s is %d', (filetime, epochMs) => {
    expect(fromFiletime(filetime)).toBe(epochMs);
    expect(toFiletime(epochMs)).toBe(filetime);
  });

  test.each(['0', '-1', '9223372036854775807'])('%s is no moment', (filetime) => {
    expect(fromFiletime(filetime)).toBeUndefined();
  });

  test('an interval is read in seconds', () => {
    expect(intervalSeconds('-864000000000')).toBe(86_400);
    expect(intervalSeconds('0')).toBe(0);
  });
});

test.each([
  ['20301231235958.0Z', Date.UTC(2030, 11, 31, 23, 59, 58)],
  ['20301231235958.25Z', Date.UTC(2030, 11, 31, 23, 59, 58, 250)],
  ['20301231235958Z', Date.UTC(2030, 11, 31, 23, 59, 58)],
  ['2030-12-31T23:59:58Z', undefined],
  ['20301231235958.0+0100', undefined],
  ['', undefined],
])('the generalized time %s is %s', (text, epochMs) => {
  expect(fromGeneralizedTime(text)).toBe(epochMs);
});

describe('a GUID', () => {
  const bytes = Buffer.from('1ecd329f70f1be4fa4dd25129c3cf323', 'hex');

  test('is turned where the wire turns it, and the bytes stay as they were', () => {
    expect(guidText(bytes)).toBe('9f32cd1e-f170-4fbe-a4dd-25129c3cf323');
    expect(bytes.toString('hex')).toBe('1ecd329f70f1be4fa4dd25129c3cf323');
    expect(guidText(Buffer.alloc(15))).toBeUndefined();
  });

  test.each(['', '*', '9f32cd1e-f170-4fbe-a4dd-25129c3cf323>', 'CN=Anna'])(
    '%j never becomes an address',
    (text) => {
      expect(() => guidDn(text)).toThrow(TypeError);
    },
  );
});

describe('a SID', () => {
  test('is read as text', () => {
    const user = '0105000000000005150000002bef466dfeeccfc92a98da4b50040000';
    expect(sidText(Buffer.from(user, 'hex'))).toBe(
      'S-1-5-21-1833365291-3385847038-1272617002-1104',
    );
    expect(sidText(Buffer.from('01020000000000052000000021020000', 'hex'))).toBe('S-1-5-32-545');
  });

  test.each(['', '01', '0205000000000005', '01050000000000051500000000'])('%j is none', (bytes) => {
    expect(sidText(Buffer.from(bytes, 'hex'))).toBeUndefined();
  });

  test('has the domain that made it', () => {
    expect(domainOf('S-1-5-21-1-2-3-1104')).toBe('S-1-5-21-1-2-3');
  });
});
