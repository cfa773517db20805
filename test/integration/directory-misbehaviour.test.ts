import { afterEach, describe, expect, test } from 'vitest';
import type { AccountChange } from '../../src/agent/directory/directory.ts';
import { Secret } from '../../src/support/secret.ts';
import { eventually } from '../support/eventually.ts';
import type { LdapAnswer, LdapRequest } from '../support/ldap-server.ts';
import { openScriptedDirectory, type ScriptedDirectory } from '../support/scripted-directory.ts';

const NEVER = new AbortController().signal;
const TIMEOUTS = { connectMs: 300, readMs: 300, writeMs: 300, totalMs: 2_000 };
const IN_TIME_MS = 1_500;
const RESET: AccountChange = {
  op: 'reset',
  password: new Secret('Planted-1-new-password'),
  unlock: true,
  mustChange: false,
  policyHints: 'off',
};

let scripted: ScriptedDirectory | undefined;

afterEach(() => scripted?.[Symbol.asyncDispose]());

/** A controller that does one thing wrong, once, with the first request that `picks` likes. */
async function misbehaving(
  picks: (request: LdapRequest) => boolean,
  answer: LdapAnswer | Promise<LdapAnswer>,
): Promise<ScriptedDirectory & { readonly objectGuid: string }> {
  let done = false;
  scripted = await openScriptedDirectory({
    accounts: [{ sam: 'anna', password: 'Begins-with-4-Keys' }],
    controllers: [
      {
        instead: (request) => {
          if (done || !picks(request)) return undefined;
          done = true;
          return answer;
        },
      },
    ],
    adapter: { timeouts: TIMEOUTS },
  });
  return { ...scripted, objectGuid: scripted.domain.account('anna').objectGuid };
}

const isModify = ({ op }: LdapRequest): boolean => op === 'modify';
const isBind = ({ op }: LdapRequest): boolean => op === 'bind';
const isAccountSearch = ({ op, dn }: LdapRequest): boolean =>
  op === 'search' && dn.startsWith('<GUID');

const GARBAGE = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
const MISBEHAVIOUR: readonly (readonly [string, LdapAnswer])[] = [
  ['says nothing', 'silence'],
  ['cuts the connection', 'cut'],
  ['cuts in the middle of the answer', { cutAfter: 7 }],
  ['answers something that is not LDAP', GARBAGE],
  ['answers what is broken inside', Buffer.from('300c02010267ffffffffffffffff', 'hex')],
  ['announces 2 GB', Buffer.from('3084800000000a', 'hex')],
  ['answers another message', { messageId: 4_711 }],
  ['says that it goes, and goes', 'notice-and-cut'],
  ['says that it goes, and stays', 'notice-and-silence'],
];

describe.each(MISBEHAVIOUR)('a controller that %s', (_what, answer) => {
  test('to a write leaves it unknown, in time, and takes the next one', async () => {
    const { directory, domain, servers, objectGuid } = await misbehaving(isModify, answer);
    const target = { objectGuid, controller: 'dc1.corp.test' };
    const started = performance.now();
    await expect(directory.apply(target, RESET, NEVER)).rejects.toMatchObject({
      code: 'INDETERMINATE',
      controller: 'dc1.corp.test',
    });
    expect(performance.now() - started).toBeLessThan(IN_TIME_MS);
    expect(servers[0]?.requests.filter(isModify)).toHaveLength(1);

    await expect(directory.apply(target, RESET, NEVER)).resolves.toHaveProperty('pwdLastSet');
    expect(domain.account('anna').passwordWrites).toBe(1);
    await eventually(() => (servers[0]?.open ?? 0) <= 2);
  });

  test('to a question is asked again, or is down, and answers the next one', async () => {
    const { directory, objectGuid } = await misbehaving(isAccountSearch, answer);
    const started = performance.now();
    const first = await directory.read({ objectGuid }, NEVER).catch((error: unknown) => error);
    expect(performance.now() - started).toBeLessThan(IN_TIME_MS);
    // Nothing was written, so a connection that died is no reason not to ask a second time.
    if (first instanceof Error) expect(first).toMatchObject({ code: 'DIRECTORY_UNREACHABLE' });
    else expect(first).toMatchObject({ objectGuid });
    await expect(directory.read({ objectGuid }, NEVER)).resolves.toMatchObject({ objectGuid });
  });

  test('to a bind is down, without a word about the password, and is used again', async () => {
    const { directory, objectGuid, log } = await misbehaving(isBind, answer);
    const target = { objectGuid, controller: 'dc1.corp.test' };
    const started = performance.now();
    await expect(directory.apply(target, RESET, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
    });
    expect(performance.now() - started).toBeLessThan(IN_TIME_MS);
    expect(log.of('directory.credential_rejected')).toEqual([]);
    await expect(directory.apply(target, RESET, NEVER)).resolves.toHaveProperty('pwdLastSet');
  });
});

describe('an answer that comes late', () => {
  test('to a write is nobody else’s, and the write stays unknown', async () => {
    let answerNow: (answer: LdapAnswer) => void = () => undefined;
    const late = new Promise<LdapAnswer>((resolve) => (answerNow = resolve));
    const { directory, servers, objectGuid } = await misbehaving(isModify, late);
    const target = { objectGuid, controller: 'dc1.corp.test' };
    await expect(directory.apply(target, RESET, NEVER)).rejects.toMatchObject({
      code: 'INDETERMINATE',
      message: expect.stringContaining('no answer within 300 ms') as string,
    });
    answerNow({ result: 53, diagnostic: '0000052D: too late' });
    await expect(directory.apply(target, RESET, NEVER)).resolves.toHaveProperty('pwdLastSet');
    expect(servers[0]?.requests.filter(isModify)).toHaveLength(2);
  });

  test('to a question about one account is never taken for another', async () => {
    let answerNow: (answer: LdapAnswer) => void = () => undefined;
    const late = new Promise<LdapAnswer>((resolve) => (answerNow = resolve));
    const { directory, objectGuid } = await misbehaving(isAccountSearch, late);
    await expect(directory.read({ objectGuid }, NEVER)).rejects.toMatchObject({
      code: 'DIRECTORY_UNREACHABLE',
    });
    answerNow({ entries: [{ dn: 'CN=Somebody Else', attributes: {} }] });
    await expect(directory.read({ objectGuid }, NEVER)).resolves.toMatchObject({ objectGuid });
  });
});
