import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { breakerFile, writeTrips } from '../../src/agent/commands/guard/breaker-file.ts';
import { writeOrders } from '../../src/agent/commands/guard/local-orders.ts';
import { toFiletime } from '../../src/agent/directory/filetime.ts';
import { systemClock } from '../../src/support/clock.ts';
import { of, only, ANNA, doctorRig } from '../support/doctor-rig.ts';
import { SERVICE_ACCOUNT } from '../support/scripted-domain.ts';

const PEOPLE = 'OU=People,DC=corp,DC=test';
const DAY_MS = 86_400_000;
const SID = 'S-1-5-21-1-2-3-1110';

describe.each(['windows', 'samba'] as const)('on %s', (dialect) => {
  test('a directory with all rights passes, and neither it nor the disk is written to', async () => {
    const { run, snapshot, ...made } = await doctorRig({ dialect, controllers: [{}, {}] });
    const before = await snapshot();
    const results = (await run()).filter(({ id }) => id.startsWith('directory.'));
    expect(results.filter(({ standing }) => standing !== 'pass')).toEqual([]);
    expect(results.length).toBeGreaterThan(15);
    expect(made.servers.flatMap(({ requests }) => requests.map(({ op }) => op))).toContain(
      'search',
    );
    expect(made.writes()).toBe(0);
    expect(await snapshot()).toEqual(before);
  });

  test('missing rights are named with the commands that delegate them on this unit', async () => {
    const { run } = await doctorRig({
      dialect,
      accounts: [{ ...ANNA, denied: true }],
      givenOnUnits: 'not-at-all',
    });
    const found = only(await run(), 'directory.rights');
    expect(found).toMatchObject({ standing: 'fail', about: PEOPLE });
    expect(found.found).toBe(
      'the service account lacks Reset Password, Write lockoutTime, Write pwdLastSet on accounts in it',
    );
    const lines = found.commands?.flatMap((command) => command.lines);
    expect(lines).toContain(`dsacls "${PEOPLE}" /I:S /G "agent@corp.test:CA;Reset Password;user"`);
    expect(lines).toContain(
      `samba-tool dsacl set --objectdn='${PEOPLE}' --action=allow --sddl="(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;bf967aba-0de6-11d0-a285-00aa003049e2;${SID})"`,
    );
  });

  test('a canary that was confirmed is really reset and unlocked, once', async () => {
    const { run, ...made } = await doctorRig({ dialect, accounts: [{ ...ANNA, locked: true }] });
    const asked: string[] = [];
    const confirm = async (question: string) => asked.push(question) > 0;
    const results = await run({ canary: { name: 'anna@corp.test', confirm } });
    expect(only(results, 'canary.account')).toMatchObject({ standing: 'pass' });
    expect(only(results, 'canary.write')).toMatchObject({ standing: 'pass' });
    expect(asked).toEqual([expect.stringContaining(`CN=anna,${PEOPLE}`)]);
    const { state, locked, passwordWrites, writes } = made.domain.account('anna');
    expect({ locked, passwordWrites, writes }).toEqual({
      locked: false,
      passwordWrites: 1,
      writes: 1,
    });
    expect(JSON.stringify(results)).not.toContain(state.password);
    expect(state.password).not.toBe(ANNA.password);
  });
});

test('rights on the unit alone are told from rights that are missing', async () => {
  const { run } = await doctorRig({
    accounts: [{ ...ANNA, denied: true }],
    givenOnUnits: 'here-only',
  });
  const found = only(await run(), 'directory.rights');
  expect(found.found).toContain('are not inherited');
  expect(found.commands?.[0]?.lines).toContain(
    `dsacls "${PEOPLE}" /I:S /G "agent@corp.test:CA;Reset Password;user"`,
  );
});

test.each([
  ['the account', true, `CN=anna,OU=Berlin,${PEOPLE}`],
  ['the unit that it is in', 'unit', `OU=Berlin,${PEOPLE}`],
] as const)(
  'inheritance that is switched off at %s is named, and where only in what may not leave the machine',
  async (_, cutOff, at) => {
    const ou = 'OU=Berlin,OU=People';
    const { run } = await doctorRig({ accounts: [{ ...ANNA, ou, denied: true, cutOff }] });
    const { commands, ...said } = only(await run(), 'directory.rights');
    expect(said).toMatchObject({
      standing: 'fail',
      found: expect.stringContaining('inheritance is switched off') as string,
    });
    expect(JSON.stringify(said)).not.toContain('Berlin');
    expect(commands).toMatchObject([
      { lines: [`dsacls "${at}" /P:N`] },
      { lines: [expect.stringMatching(new RegExp(`^python3 -c '[^']+' '${at}'$`)) as string] },
    ]);
  },
);

test('Unexpire Password that was taken from everybody is a warning with the command', async () => {
  const { run } = await doctorRig({ unexpire: false });
  const found = only(await run(), 'directory.unexpire');
  expect(found.standing).toBe('warn');
  expect(found.commands?.flatMap(({ lines }) => lines)).toEqual([
    'dsacls "DC=corp,DC=test" /G "agent@corp.test:CA;Unexpire Password"',
    `samba-tool dsacl set --objectdn='DC=corp,DC=test' --action=allow --sddl="(OA;;CR;ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501;;${SID})"`,
  ]);
});

test('a fine-grained policy whose values are hidden is named, and one that can be read passes', async () => {
  const policies = {
    Strict: {
      minimumLength: 20,
      complexity: true,
      historyLength: 5,
      minimumAgeSeconds: 0,
      lockoutThreshold: 5,
    },
  };
  const accounts = [{ ...ANNA, policy: 'Strict' }];
  const hidden = only(await (await doctorRig({ accounts, policies })).run(), 'directory.policies');
  expect(hidden).toMatchObject({
    standing: 'warn',
    found: 'the service account cannot read Strict',
  });
  expect(JSON.stringify(hidden.commands)).toContain('Password Settings Container');
  const open = await (await doctorRig({ accounts, policies, policiesReadable: true })).run();
  expect(only(open, 'directory.policies')).toMatchObject({ standing: 'pass' });
});

test('protected accounts in scope are counted, and their names stay apart', async () => {
  const { run } = await doctorRig({
    accounts: [ANNA, { sam: 'boss', password: 'x', adminCount: true }],
  });
  const found = only(await run(), 'directory.accounts');
  expect(found).toMatchObject({ standing: 'warn', local: { accounts: ['boss'] } });
  expect(JSON.stringify({ ...found, local: undefined })).not.toContain('boss');
});

test('permissions that may not be read are a warning, never a pass', async () => {
  const { run } = await doctorRig({ permissionsReadable: false });
  expect(only(await run(), 'directory.rights')).toMatchObject({
    standing: 'warn',
    found: expect.stringContaining('Read Permissions') as string,
  });
  expect(only(await run(), 'directory.unexpire').standing).toBe('skip');
});

test('a unit that does not exist is told from one without rights', async () => {
  const { run } = await doctorRig({
    settings: { guard: { baseDns: ['OU=Poeple,DC=corp,DC=test'] } },
  });
  expect(only(await run(), 'directory.rights')).toMatchObject({
    standing: 'fail',
    found: expect.stringContaining('does not exist') as string,
  });
});

test.each([
  [-1, 'fail'],
  [7, 'warn'],
  [60, 'pass'],
] as const)('a password of the service account with %i days left is %s', async (days, standing) => {
  const { run } = await doctorRig({
    servicePasswordExpires: toFiletime(Date.now() + days * DAY_MS),
  });
  expect(only(await run(), 'directory.password').standing).toBe(standing);
});

test.each([
  ['has expired', { notAfter: new Date(Date.now() - DAY_MS / 2) }],
  ['is for another name', { names: ['dc9.corp.test'] }],
])(
  'a certificate that %s is said to be so, and the rest is skipped',
  async (words, certificate) => {
    const { run } = await doctorRig({ certificate });
    const results = await run();
    expect(only(results, 'directory.tls')).toMatchObject({
      standing: 'fail',
      found: expect.stringContaining(words) as string,
    });
    expect(only(results, 'directory.bind')).toMatchObject({
      standing: 'skip',
      found: 'there is no connection',
    });
    expect(only(results, 'directory.rights')).toMatchObject({
      standing: 'skip',
      found: 'no domain controller can be used',
    });
  },
);

test('a certificate that ends soon is a warning', async () => {
  const { run } = await doctorRig({
    certificate: { notAfter: new Date(Date.now() + 10 * DAY_MS) },
  });
  expect(only(await run(), 'directory.tls')).toMatchObject({ standing: 'warn' });
});

test('a closed port fails where it is the only controller, and warns where another one works', async () => {
  const alone = await doctorRig();
  await alone.servers[0]?.stop();
  const found = only(await alone.run(), 'directory.connect');
  expect(found).toMatchObject({ standing: 'fail', about: 'dc1.corp.test' });
  expect(found.found).toContain('ECONNREFUSED');
  const two = await doctorRig({ controllers: [{}, {}] });
  await two.servers[0]?.stop();
  const results = await two.run();
  expect(of(results, 'directory.connect').map(({ standing }) => standing)).toEqual([
    'warn',
    'pass',
  ]);
  expect(only(results, 'directory.rights').standing).toBe('pass');
});

test('a rejected password is said once and shown to no other controller', async () => {
  const { run, servers } = await doctorRig({ rejects: '52e', controllers: [{}, {}] });
  const results = await run();
  expect(
    of(results, 'directory.bind')
      .map(({ standing }) => standing)
      .sort(),
  ).toEqual(['fail', 'skip']);
  const binds = servers.flatMap(({ requests }) => requests).filter(({ op }) => op === 'bind');
  expect(binds).toHaveLength(1);
  expect(JSON.stringify(results)).not.toContain(SERVICE_ACCOUNT.password);
});

test('a read-only controller, and one that is still replicating, are told', async () => {
  const { run, servers } = await doctorRig({ controllers: [{ readOnly: true }, {}] });
  expect(of(await run(), 'directory.role').map(({ standing }) => standing)).toEqual([
    'warn',
    'pass',
  ]);
  const protectedAccounts = servers.map(({ requests }) =>
    requests.filter(({ dn, attributes }) => dn === PEOPLE && attributes.includes('sAMAccountName')),
  );
  expect(protectedAccounts.map(({ length }) => length)).toEqual([0, 1]);
  const alone = await doctorRig({ controllers: [{ synchronized: false }] });
  expect(only(await alone.run(), 'directory.role')).toMatchObject({ standing: 'fail' });
});

test('a clock that is off is named with both times', async () => {
  const clock = { ...systemClock, now: () => Date.now() + 10 * 60_000 };
  const { run } = await doctorRig({ clock });
  expect(only(await run(), 'directory.clock')).toMatchObject({
    standing: 'warn',
    found: expect.stringMatching(
      /differ by (599|600) s: this machine .*, dc1.corp.test /,
    ) as string,
  });
});

test('policy hints are told for each controller, and fail where they are required', async () => {
  const mixed = await doctorRig({ controllers: [{}, { policyHints: [] }] });
  expect(of(await mixed.run(), 'directory.hints').map(({ standing }) => standing)).toEqual([
    'pass',
    'warn',
  ]);
  const required = await doctorRig({
    dialect: 'samba',
    settings: { guard: { policyHints: { self: 'require' } } },
  });
  expect(only(await required.run(), 'directory.hints')).toMatchObject({ standing: 'fail' });
});

describe('a canary', () => {
  const yes = async (): Promise<boolean> => true;

  test('is not written to without a yes, in a dry run, or during a pause', async () => {
    const { run, ...made } = await doctorRig();
    const no = await run({ canary: { name: 'anna', confirm: async () => false } });
    expect(only(no, 'canary.write')).toMatchObject({
      standing: 'skip',
      found: 'it was not confirmed',
    });
    const dry = await doctorRig({ settings: { guard: { dryRun: true } } });
    const results = await dry.run({ canary: { name: 'anna', confirm: yes } });
    expect(only(results, 'canary.write')).toMatchObject({ standing: 'skip' });
    expect(made.writes() + dry.writes()).toBe(0);
    const since = new Date().toISOString();
    await writeOrders(made.state, { pause: { reason: 'moving dc1', since } });
    const paused = await run({ canary: { name: 'anna', confirm: yes } });
    expect(only(paused, 'canary.write')).toMatchObject({
      standing: 'skip',
      found: expect.stringContaining('paused at this machine') as string,
    });
    expect(made.writes()).toBe(0);
  });

  test('is not written to while the breaker is open, or orders cannot be read', async () => {
    const { run, state, ...made } = await doctorRig();
    await writeTrips(state, [{ id: randomUUID(), at: new Date().toISOString(), count: 100 }]);
    const open = await run({ canary: { name: 'anna', confirm: yes } });
    expect(only(open, 'canary.write')).toMatchObject({
      standing: 'skip',
      found: expect.stringContaining('the breaker has stopped') as string,
    });
    await rm(breakerFile(state));
    await writeFile(join(state, 'local-orders.json'), '{');
    const damaged = await run({ canary: { name: 'anna', confirm: yes } });
    expect(only(damaged, 'canary.write')).toMatchObject({ standing: 'skip' });
    expect(made.writes()).toBe(0);
  });

  test.each([
    ['a protected one', 'boss', 'PROTECTED_ACCOUNT'],
    ['one out of scope', 'outside', 'OUT_OF_SCOPE'],
    ['a disabled one', 'gone', 'ACCOUNT_DISABLED'],
    ['nobody', 'nobody', 'no such account'],
  ])('that is %s is refused by the guard', async (_, name, words) => {
    const { run, ...made } = await doctorRig({
      accounts: [
        { sam: 'boss', password: 'x', groups: [512] },
        { sam: 'outside', password: 'x', ou: 'OU=Outside' },
        { sam: 'gone', password: 'x', disabled: true },
      ],
    });
    const results = await run({ canary: { name, confirm: yes } });
    const found = only(results, 'canary.account');
    expect(found).toMatchObject({ standing: 'fail', local: { account: [name] } });
    expect(found.found).toContain(words);
    expect(made.writes()).toBe(0);
  });

  test('is refused where nobody may reset anything', async () => {
    const operations = { self: ['unlock'], admin: [] };
    const { run, ...made } = await doctorRig({ settings: { guard: { operations } } });
    const results = await run({ canary: { name: 'anna', confirm: yes } });
    expect(only(results, 'canary.account').found).toContain('OPERATION_NOT_ALLOWED');
    expect(made.writes()).toBe(0);
  });

  test('that the directory refuses fails with what to do', async () => {
    const { run } = await doctorRig({ accounts: [{ ...ANNA, denied: true }] });
    const results = await run({ canary: { name: 'anna', confirm: yes } });
    expect(only(results, 'canary.write')).toMatchObject({ standing: 'fail' });
  });
});
