import { expect, test } from 'vitest';
import { readAuditLog } from '../../lab/audit-log.ts';

const AT = '2026-11-27T08:26:57.050032+0000';
const SID = 'S-1-5-21-1-2-3-1168';

/** As Samba writes it. */
function line(type: string, facts: object): string {
  const event = JSON.stringify({ timestamp: AT, type, [type]: facts });
  return event.replaceAll('":', '": ').replaceAll(',"', ', "');
}

function change(transactionId: string, dn = 'CN=Anna,DC=corp,DC=test', statusCode = 0): string {
  return line('passwordChange', { statusCode, userSid: SID, dn, action: 'Reset', transactionId });
}

function transaction(transactionId: string, facts: object = { action: 'commit' }): string {
  return line('dsdbTransaction', { ...facts, transactionId, duration: 4217 });
}

function settled(transactionId: string, written: boolean): string {
  return line('labSettled', { transactionId, written });
}

const anna = { dn: 'cn=anna,dc=corp,dc=test', bySid: SID, at: Date.parse(AT) };

test('a password is written when its transaction was committed', () => {
  const log = `${change('one')}\n${transaction('one')}\n`;
  expect(readAuditLog(log)).toEqual({
    writes: [{ ...anna, provenBy: 'log' }],
    unended: [],
    unreadable: [],
  });
});

test.each([
  ['refused', `${change('one', undefined, 19)}\n${transaction('one')}`],
  ['rolled back', `${change('one')}\n${transaction('one', { action: 'rollback' })}`],
  [
    'not committed for want of space',
    `${change('one')}\n${transaction('one', { action: 'commit', statusCode: 1, status: 'error' })}`,
  ],
])('a password that was %s is not written, and nothing is missing', (_, log) => {
  expect(readAuditLog(log)).toEqual({ writes: [], unended: [], unreadable: [] });
});

test('a write that a kill cut off has no end until the database says which', () => {
  expect(readAuditLog(change('one'))).toEqual({ writes: [], unended: [anna], unreadable: [] });
  const found = readAuditLog(`${change('one')}\n${settled('one', true)}\n`);
  expect(found).toMatchObject({ writes: [{ ...anna, provenBy: 'database' }], unended: [] });
  const lost = readAuditLog(`${change('one')}\n${settled('one', false)}\n`);
  expect(lost).toMatchObject({ writes: [], unended: [] });
});

test('what was before the last reset of the lab does not count', () => {
  const reset = `{"timestamp": "${AT}", "type": "labReset"}`;
  const log = [change('one'), change('two'), transaction('two'), reset, change('three')].join('\n');
  expect(readAuditLog(log)).toMatchObject({ writes: [], unended: [anna] });
});

test.each([
  ['on one line', (first: string, second: string) => `${first}${second}\n\n`],
  ['behind a kill', (first: string, second: string) => `${first}${second}`],
  ['behind an empty line', (first: string, second: string) => `${first}\n\n${second}\n`],
])('two events %s are two events', (_, join) => {
  const { writes, unreadable } = readAuditLog(join(change('one'), transaction('one')));
  expect([writes.length, unreadable]).toEqual([1, []]);
});

test('braces and quotes in a name are part of the name', () => {
  const dn = 'CN=a\\"}{ b,DC=corp,DC=test';
  const { writes, unreadable } = readAuditLog(`${change('one', dn)}${transaction('one')}\n`);
  expect(writes.map((write) => write.dn)).toEqual([dn.toLowerCase()]);
  expect(unreadable).toEqual([]);
});

test('an event behind other text is found, and the text reported', () => {
  const { writes, unreadable } = readAuditLog(`half a li${change('one')}\n${transaction('one')}`);
  expect([writes.length, unreadable]).toEqual([1, ['half a li']]);
});

test('an event within one that was cut in two is found, and the two pieces are reported', () => {
  const [head, tail] = [change('two').slice(0, 90), change('two').slice(90)];
  const { writes, unreadable } = readAuditLog(
    `${head}${change('one')}${tail}\n${transaction('one')}`,
  );
  expect(writes).toHaveLength(1);
  expect(unreadable).toEqual([head, tail]);
});

test.each([
  ['an event that ends early', change('one').slice(0, -20)],
  ['an event that lacks what it is about', `{"timestamp": "${AT}", "type": "passwordChange"}`],
  ['an event of a kind that nobody expects', line('dsdbChange', { dn: 'CN=Anna' })],
  ['a line that is none', 'write: No space left on device'],
])('%s is not passed over in silence', (_, piece) => {
  const { writes, unreadable } = readAuditLog(
    `${piece}\n${change('one')}\n${transaction('one')}\n`,
  );
  expect(writes).toHaveLength(1);
  expect(unreadable).toEqual([piece]);
});
