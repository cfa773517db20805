import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GuardSettings } from '../../src/agent/commands/guard/guard-settings.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import { Secret } from '../../src/support/secret.ts';
import { openLabDirectory } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';
import { CommandRig, OPEN_GUARD, type Order } from '../support/command-rig.ts';

const NEW_PASSWORD = 'Planted-1-new-password';
const NEVER = new AbortController().signal;
const BERLIN = 'OU=Berlin,OU=People,DC=corp,DC=test';

const lab = useLab();
let directory: Directory;

beforeEach(async () => {
  await lab.reset();
  directory = openLabDirectory(lab);
});

afterEach(async () => {
  await directory[Symbol.asyncDispose]();
});

/** The codes of a perfectly signed reset, unlock and change, in this order. */
async function codesOf(sam: string, guard: GuardSettings): Promise<readonly string[]> {
  await using rig = await CommandRig.open({ directory, guard });
  const { objectGuid, password: oldPassword } = lab.person(sam);
  const orders: readonly Partial<Order>[] = [
    { password: NEW_PASSWORD },
    { op: 'unlock' },
    { op: 'change', password: NEW_PASSWORD, oldPassword },
  ];
  const codes: string[] = [];
  for (const order of orders) {
    codes.push((await rig.order({ objectGuid, ...order })).outcome.code);
  }
  return codes;
}

async function groupOf(sam: string, rid: number): Promise<string> {
  const { sid } = await directory.read({ objectGuid: lab.person(sam).objectGuid }, NEVER);
  return `${sid.slice(0, sid.lastIndexOf('-'))}-${rid}`;
}

describe('the delegation would allow it, the guard does not', () => {
  test.each<
    [string, string, string, () => Partial<GuardSettings> | Promise<Partial<GuardSettings>>]
  >([
    ['a member of Domain Admins', 'boss', 'PROTECTED_ACCOUNT', () => ({})],
    ['a former administrator', 'formeradmin', 'PROTECTED_ACCOUNT', () => ({})],
    ['an account that runs a service', 'svc-web', 'PROTECTED_ACCOUNT', () => ({})],
    [
      'a member of a group the admin protects',
      'ben',
      'PROTECTED_ACCOUNT',
      async () => ({ protectedGroups: [await groupOf('ben', 513)] }),
    ],
    ['somebody in a denied OU', 'clara', 'OUT_OF_SCOPE', () => ({ deniedBaseDns: [BERLIN] })],
    ['somebody outside of the allowed OUs', 'anna', 'OUT_OF_SCOPE', () => ({ baseDns: [BERLIN] })],
  ])('%s is refused without a write', async (_who, sam, code, settings) => {
    const guard = { ...OPEN_GUARD, ...(await settings()) };
    const { objectGuid, password } = lab.person(sam);
    const before = await directory.read({ objectGuid }, NEVER);
    expect(await codesOf(sam, guard)).toEqual([code, code, code]);
    const after = await directory.read({ objectGuid }, NEVER);
    expect(after.usnChanged).toBe(before.usnChanged);
    expect(await lab.passwordWrites()).toEqual(new Map());
    expect(await lab.kinit(sam, password)).toBe('ok');

    // Past the guard nothing would have stopped it.
    const change = { op: 'reset', unlock: true, mustChange: false, policyHints: 'off' } as const;
    const target = { objectGuid, controller: after.controller };
    await directory.apply(target, { ...change, password: new Secret(NEW_PASSWORD) }, NEVER);
    expect(await lab.kinit(sam, NEW_PASSWORD)).toBe('ok');
  });
});
