import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { CONTROL_RIGHTS } from '../../src/agent/directory/security-descriptor.ts';
import { examine } from '../../src/agent/doctor/doctor.ts';
import { systemClock } from '../../src/support/clock.ts';
import type { CheckResult } from '../../src/support/checks.ts';
import { administer, setInheritance } from '../lab/delegation.ts';
import type { DelegatedRight } from '../lab/lab.ts';
import { firstController } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';
import { only } from '../support/doctor-rig.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const lab = useLab();

beforeEach(() => lab.reset());

async function machine({ user = lab.serviceAccount, unit = lab.delegatedOu } = {}): Promise<{
  readonly path: string;
  readonly run: (name?: string) => Promise<readonly CheckResult[]>;
}> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const { path } = folder;
  await mkdir(join(path, 'state'), { mode: 0o700 });
  await writeFile(join(path, 'bind-password'), user.password, { mode: 0o600 });
  await writeFile(join(path, 'ca.pem'), lab.ca);
  const file = join(path, 'passback.yaml');
  const { name, address, port } = firstController(lab);
  const settings = {
    directory: {
      domain: lab.domain,
      domainControllers: [{ name, address, port }],
      caFile: join(path, 'ca.pem'),
      bind: { user: user.userPrincipalName, passwordFile: join(path, 'bind-password') },
    },
    guard: { baseDns: [unit] },
    stateFolder: join(path, 'state'),
  };
  await writeFile(file, stringify(settings));
  return {
    path,
    run: (canary) =>
      examine(
        {
          ...{ file, env: {}, nodeVersion: 'v24.1.0', clock: systemClock },
          askStatus: () => Promise.resolve(undefined),
          ...(canary !== undefined && { canary: { name: canary, confirm: async () => true } }),
        },
        new AbortController().signal,
      ),
  };
}

const standings = (results: readonly CheckResult[]): Record<string, string> =>
  Object.fromEntries(
    results
      .filter(({ id }) => id.startsWith('directory.'))
      .map(({ id, standing }) => [id, standing]),
  );

/** Every command of a remedy that is for a Samba controller, as it is shown, on the controller. */
async function follow({ commands = [] }: CheckResult): Promise<void> {
  const { lines = [] } = commands.find(({ where }) => where.includes('Samba')) ?? {};
  expect(lines).not.toEqual([]);
  await administer(lab, 'sh', '-ec', lines.join('\n'));
}

async function setEntry(dn: string, sddl: string): Promise<void> {
  await administer(lab, 'samba-tool', 'dsacl', 'set', `--objectdn=${dn}`, `--sddl=${sddl}`);
}

async function deleteEntry(dn: string, sddl: string): Promise<void> {
  await administer(lab, 'samba-tool', 'dsacl', 'delete', `--objectdn=${dn}`, `--sddl=${sddl}`);
}

test('rights that are missing are named, and the commands it shows grant them', async () => {
  const { run } = await machine();
  await lab.denyRights('reset-password', 'lockout-time', 'pwd-last-set');
  onTestFinished(() => lab.restoreDelegation());
  const before = only(await run(), 'directory.rights');
  expect(before).toMatchObject({ standing: 'fail', about: lab.delegatedOu });
  expect(before.found).toContain('Reset Password, Write lockoutTime, Write pwdLastSet');
  await follow(before);
  expect(standings(await run())).toEqual({
    'directory.discovery': 'pass',
    'directory.connect': 'pass',
    'directory.tls': 'pass',
    'directory.bind': 'pass',
    'directory.role': 'pass',
    'directory.clock': 'pass',
    'directory.hints': 'pass',
    'directory.password': 'pass',
    'directory.rights': 'pass',
    'directory.unexpire': 'pass',
    'directory.policies': 'warn', // the lab has one that is hidden from ordinary accounts
    'directory.accounts': 'warn', // and a former administrator
  });
});

test.each<[string, DelegatedRight]>([
  ['Reset Password', 'reset-password'],
  ['Write lockoutTime', 'lockout-time'],
  ['Write pwdLastSet', 'pwd-last-set'],
])('%s that is missing is named alone, and the command it shows grants it', async (name, right) => {
  const { run } = await machine();
  await lab.denyRights(right);
  onTestFinished(() => lab.restoreDelegation());
  const before = only(await run(), 'directory.rights');
  expect(before.standing).toBe('fail');
  expect(before.found).toContain(`lacks ${name} on`);
  await follow(before);
  expect(only(await run(), 'directory.rights')).toMatchObject({ standing: 'pass' });
});

test('a right on the unit alone is told from none, and the command it shows hands it down', async () => {
  const { run } = await machine();
  await lab.denyRights('reset-password');
  onTestFinished(() => lab.restoreDelegation());
  const { userPrincipalName } = lab.serviceAccount;
  const account = userPrincipalName.slice(0, userPrincipalName.indexOf('@'));
  const sid = await administer(
    lab,
    ...[
      'sh',
      '-ec',
      `samba-tool user show ${account} --attributes=objectSid | sed -n 's/^objectSid: //p'`,
    ],
  );
  await setEntry(lab.delegatedOu, `(OA;;CR;${CONTROL_RIGHTS.resetPassword};;${sid.trim()})`);
  const before = only(await run(), 'directory.rights');
  expect(before.standing).toBe('fail');
  expect(before.found).toContain('are not inherited');
  await follow(before);
  expect(only(await run(), 'directory.rights')).toMatchObject({ standing: 'pass' });
});

describe('inheritance that is switched off', () => {
  const unit = `OU=Branch,${lab.baseDn}`;
  const team = `OU=Team,${unit}`;

  beforeEach(async () => {
    for (const ou of [unit, team]) await administer(lab, 'samba-tool', 'ou', 'create', ou);
    const place = ['--userou=OU=Team,OU=Branch', '--random-password'];
    await administer(lab, 'samba-tool', 'user', 'create', 'dora', ...place);
    onTestFinished(async () => {
      await administer(lab, 'samba-tool', 'ou', 'delete', unit, '--force-subtree-delete');
    });
  });

  test.each([
    ['an account', `CN=dora,${team}`],
    ['a unit below the one of the configuration', team],
  ])('at %s is named, and the command it shows switches it on', async (_, place) => {
    const { run } = await machine({ unit });
    await follow(only(await run(), 'directory.rights'));
    expect(only(await run(), 'directory.rights')).toMatchObject({ standing: 'pass' });
    await setInheritance(lab, place, 'off');
    const before = only(await run(), 'directory.rights');
    expect(before.standing).toBe('fail');
    expect(before.found).toContain('inheritance is switched off');
    expect(before.commands?.[0]?.lines).toEqual([`dsacls "${place}" /P:N`]);
    await follow(before);
    expect(only(await run(), 'directory.rights')).toMatchObject({ standing: 'pass' });
  });
});

test('Unexpire Password that was taken from everybody is named, and the command it shows gives it', async () => {
  const { run } = await machine();
  const everybody = `(OA;;CR;${CONTROL_RIGHTS.unexpirePassword};;AU)`;
  const before = await administer(lab, 'samba-tool', 'dsacl', 'get', `--objectdn=${lab.baseDn}`);
  await deleteEntry(lab.baseDn, everybody);
  onTestFinished(async () => {
    const after = await administer(lab, 'samba-tool', 'dsacl', 'get', `--objectdn=${lab.baseDn}`);
    const given = after.match(/\([^()]*\)/g)?.filter((entry) => !before.includes(entry)) ?? [];
    for (const entry of given) await deleteEntry(lab.baseDn, entry);
    await setEntry(lab.baseDn, everybody);
  });
  const missing = only(await run(), 'directory.unexpire');
  expect(missing).toMatchObject({ standing: 'warn' });
  expect(missing.found).toContain('taken from everybody');
  await follow(missing);
  expect(only(await run(), 'directory.unexpire')).toMatchObject({ standing: 'pass' });
});

test('a fine-grained policy that is hidden is named, and the command it shows opens it', async () => {
  const { run } = await machine();
  onTestFinished(() => lab.revokePolicyRead());
  const hidden = only(await run(), 'directory.policies');
  expect(hidden).toMatchObject({ standing: 'warn' });
  await follow(hidden);
  expect(only(await run(), 'directory.policies')).toMatchObject({ standing: 'pass' });
});

test('an account without any delegation is told everything that it lacks', async () => {
  const { run } = await machine({ user: lab.bareAccount });
  expect(only(await run(), 'directory.rights').standing).toBe('fail');
});

test('a canary is written once, by the same way as a reset', async () => {
  const { run } = await machine();
  const before = (await lab.passwordWrites()).get('anna') ?? 0;
  const results = await run('anna@corp.test');
  expect(only(results, 'canary.write')).toMatchObject({ standing: 'pass' });
  expect((await lab.passwordWrites()).get('anna')).toBe(before + 1);
});

test('looking writes nothing', async () => {
  const { run } = await machine();
  const before = await lab.passwordHistory();
  await run();
  expect(await lab.passwordHistory()).toEqual(before);
});
