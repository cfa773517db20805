import { expect, test } from 'vitest';
import { CommandRig, OPEN_GUARD } from '../support/command-rig.ts';
import type { ScriptedAccount } from '../support/scripted-account.ts';
import { openScriptedDirectory } from '../support/scripted-directory.ts';

const PASSWORD = 'Begins-with-4-Keys';

/** What the two commands that are perfectly signed get to hear, and how often anything was written. */
async function codesFor(facts: Partial<ScriptedAccount>) {
  const account = { sam: 'anna', password: PASSWORD, ...facts };
  await using scripted = await openScriptedDirectory({ accounts: [account] });
  const { directory, domain, servers } = scripted;
  const guard = { ...OPEN_GUARD, policyHints: { self: 'prefer', admin: 'prefer' } } as const;
  await using rig = await CommandRig.open({ directory, guard });
  const { objectGuid } = domain.account('anna');
  const reset = await rig.order({ objectGuid, password: 'Fine-password-7' });
  const unlock = await rig.order({ objectGuid, op: 'unlock' });
  return {
    codes: [reset.outcome.code, unlock.outcome.code],
    writes: domain.account('anna').writes,
    modifies: servers[0]?.requests.filter(({ op }) => op === 'modify').length,
  };
}

test.each<[string, Partial<ScriptedAccount>]>([
  ['Domain Admins, behind however many groups', { groups: [1500, 512] }],
  ['Schema Admins', { groups: [518] }],
  ['Enterprise Admins', { groups: [519] }],
  ['Enterprise Key Admins', { groups: [527] }],
  ['Administrators', { builtinGroups: [544] }],
  ['Account Operators', { builtinGroups: [548] }],
  ['Backup Operators', { builtinGroups: [551] }],
])('a member of %s is protected before any byte of a write', async (_group, facts) => {
  expect(await codesFor(facts)).toEqual({
    codes: ['PROTECTED_ACCOUNT', 'PROTECTED_ACCOUNT'],
    writes: 0,
    modifies: 0,
  });
});

test.each<[string, Partial<ScriptedAccount>]>([
  ['once was an administrator', { adminCount: true }],
  ['is a critical system object', { critical: true }],
  ['runs a service', { servicePrincipalName: 'HTTP/web.corp.test' }],
  ['Windows itself made', { rid: 500 }],
  ['is the agent itself', { rid: 1110 }],
])('an account that %s is protected', async (_what, facts) => {
  expect(await codesFor(facts)).toMatchObject({
    codes: ['PROTECTED_ACCOUNT', 'PROTECTED_ACCOUNT'],
    modifies: 0,
  });
});

test('an account outside of the allowed OUs is out of scope', async () => {
  expect(await codesFor({ ou: 'OU=Elsewhere' })).toMatchObject({
    codes: ['OUT_OF_SCOPE', 'OUT_OF_SCOPE'],
    modifies: 0,
  });
});

test('an account that AdminSDHolder took from the agent, and nothing else shows, is denied', async () => {
  expect(await codesFor({ denied: true })).toEqual({
    codes: ['ACCESS_DENIED', 'ACCESS_DENIED'],
    writes: 0,
    modifies: 2,
  });
});

test('a member of ordinary groups is served', async () => {
  expect(await codesFor({ groups: [1500, 571], builtinGroups: [545] })).toMatchObject({
    codes: ['APPLIED', 'APPLIED'],
    writes: 2,
  });
});
