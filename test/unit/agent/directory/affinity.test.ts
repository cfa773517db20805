import { describe, expect, test } from 'vitest';
import { Affinity, hasCaughtUp } from '../../../../src/agent/directory/affinity.ts';
import type { AccountReading } from '../../../../src/agent/directory/directory.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const MINUTE = 60_000;

describe('an account that was written', () => {
  test('stays with that controller until replication is seen', () => {
    const affinity = new Affinity(new FakeClock());
    affinity.wrote('anna', 'dc2');
    expect(affinity.homeOf('anna')).toBe('dc2');
    expect(affinity.homeOf('ben')).toBeUndefined();
    affinity.replicated('anna', 'dc2');
    expect(affinity.homeOf('anna')).toBeUndefined();
  });

  test('stays when it was written elsewhere in the meantime', () => {
    const affinity = new Affinity(new FakeClock());
    affinity.wrote('anna', 'dc2');
    affinity.wrote('anna', 'dc3');
    affinity.replicated('anna', 'dc2');
    expect(affinity.homeOf('anna')).toBe('dc3');
  });

  test('stays for a quarter of an hour and no longer', () => {
    const clock = new FakeClock();
    const affinity = new Affinity(clock);
    affinity.wrote('anna', 'dc2');
    clock.advance(15 * MINUTE - 1);
    expect(affinity.homeOf('anna')).toBe('dc2');
    clock.advance(1);
    expect(affinity.homeOf('anna')).toBeUndefined();
  });

  test('is forgotten when ten thousand others were written since', () => {
    const affinity = new Affinity(new FakeClock());
    affinity.wrote('anna', 'dc2');
    for (let i = 0; i < 9_999; i++) affinity.wrote(`user${i}`, 'dc2');
    expect(affinity.homeOf('anna')).toBe('dc2');
    affinity.wrote('one more', 'dc2');
    expect(affinity.homeOf('anna')).toBeUndefined();
    expect(affinity.homeOf('user0')).toBe('dc2');
  });
});

describe('a controller has caught up', () => {
  type Shown = Pick<AccountReading, 'pwdLastSet' | 'lockoutTime' | 'unicodePwd'>;
  const shown = (facts: Partial<Shown>): AccountReading =>
    ({ pwdLastSet: '1000', lockoutTime: '0', ...facts }) as AccountReading;
  const written = (version: number, changedAt: string, invocationId = 'a'): Partial<Shown> => ({
    unicodePwd: { version, changedAt, invocationId, usn: '1' },
  });
  const AT = '2026-01-01T00:00:00.000Z';
  const LATER = '2026-01-01T00:00:01.000Z';

  test.each<[string, Partial<Shown>, Partial<Shown>, boolean]>([
    ['with the same password', written(4, AT), written(4, AT), true],
    ['with a later one', written(5, LATER), written(4, AT), true],
    ['with a later one of two that were written apart', written(4, LATER), written(4, AT), true],
    ['not with an earlier one', written(3, AT), written(4, AT), false],
    ['not with the earlier one of two', written(4, AT), written(4, LATER), false],
    ['not with another one of the same second', written(4, AT, 'b'), written(4, AT, 'a'), false],
    ['without metadata, by the time', { pwdLastSet: '1000' }, { pwdLastSet: '1000' }, true],
    ['not, by the time', { pwdLastSet: '999' }, { pwdLastSet: '1000' }, false],
    ['not when nothing is told by must-change', { pwdLastSet: '0' }, { pwdLastSet: '0' }, false],
    ['not with the lockout of before', { lockoutTime: '5' }, { lockoutTime: '0' }, false],
  ])('%s', (_, one, other, answer) => {
    expect(hasCaughtUp(shown(one), shown(other))).toBe(answer);
  });
});
