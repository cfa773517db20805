import { BusyError, InvalidCredentialsError } from 'ldapts';
import { beforeEach, expect, test } from 'vitest';
import { ServiceAccount } from '../../../../src/agent/directory/service-account.ts';
import { Secret } from '../../../../src/support/secret.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryLog } from '../../../support/memory-log.ts';

const MINUTE = 60_000;

let clock: FakeClock;
let log: MemoryLog;
let password: string;
let attempts: string[];

beforeEach(() => {
  clock = new FakeClock();
  log = new MemoryLog();
  password = 'first';
  attempts = [];
});

function account(): ServiceAccount {
  const bind = { user: 'agent', password: async () => new Secret(password) };
  return new ServiceAccount(bind, clock, log);
}

function rejecting(data = '52e') {
  return async (_user: string, shown: string): Promise<void> => {
    attempts.push(shown);
    throw new InvalidCredentialsError(`80090308: LdapErr: DSID-0, comment: x, data ${data}, v1`);
  };
}

async function accepting(_user: string, shown: string): Promise<void> {
  attempts.push(shown);
}

test('the wait after each rejection is twice as long, up to four hours', async () => {
  const agent = account();
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    const start = clock.monotonic();
    const before = attempts.length;
    while (attempts.length === before) {
      await expect(agent.bind('dc1', rejecting())).rejects.toMatchObject({
        code: 'DIRECTORY_CONFIG',
      });
      if (attempts.length === before) clock.advance(MINUTE);
    }
    waits.push((clock.monotonic() - start) / MINUTE);
  }
  expect(waits).toEqual([0, 15, 30, 60, 120, 240]);
  expect(log.of('directory.credential_rejected')).toHaveLength(6);
});

test('a rejection on one controller counts for all', async () => {
  const agent = account();
  const all = ['dc1', 'dc2', 'dc3'].map((name) => agent.bind(name, rejecting()));
  await Promise.allSettled(all);
  expect(attempts).toEqual(['first']);
});

test('a new password is tried at once, the old one is not', async () => {
  const agent = account();
  await expect(agent.bind('dc1', rejecting())).rejects.toThrow();
  password = 'second';
  await agent.bind('dc1', accepting);
  expect(attempts).toEqual(['first', 'second']);
});

test.each([
  ['525', 'no such account'],
  ['52e', 'wrong user name or password'],
  ['530', 'at this time'],
  ['531', 'from this machine'],
  ['532', 'has expired'],
  ['533', 'disabled'],
  ['701', 'account has expired'],
  ['773', 'must be changed'],
  ['775', 'locked'],
  ['999', 'check the user name'],
])('data %s is said in words', async (data, words) => {
  await expect(account().bind('dc1', rejecting(data))).rejects.toThrow(words);
});

test('another failure is passed on and holds nothing back', async () => {
  const agent = account();
  const busy = new BusyError('');
  await expect(agent.bind('dc1', () => Promise.reject(busy))).rejects.toBe(busy);
  await agent.bind('dc1', accepting);
});

test('a password that nobody has accepted is tried by one at a time', async () => {
  const agent = account();
  let underWay = 0;
  let most = 0;
  const slow = async (): Promise<void> => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise(setImmediate);
    underWay -= 1;
  };
  await Promise.all(['dc1', 'dc2', 'dc3'].map((name) => agent.bind(name, slow)));
  expect(most).toBe(1);
  await Promise.all(['dc1', 'dc2', 'dc3'].map((name) => agent.bind(name, slow)));
  expect(most).toBe(3);
});

test('no password is ever logged', async () => {
  password = 'Planted-1-password';
  await expect(account().bind('dc1', rejecting())).rejects.toThrow();
  expect(log.text()).not.toContain(password);
});
