import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { examine } from '../../src/agent/doctor/doctor.ts';
import { systemClock } from '../../src/support/clock.ts';
import type { CheckResult } from '../../src/support/checks.ts';
import { docker } from '../lab/docker.ts';
import { firstController } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';
import { only } from '../support/doctor-rig.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const lab = useLab();

beforeEach(() => lab.reset());

async function machine(user = lab.serviceAccount): Promise<{
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
    guard: { baseDns: [lab.delegatedOu] },
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
  await docker(['exec', firstController(lab).containerId, 'sh', '-ec', lines.join('\n')]);
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

test('one right that is missing is named alone', async () => {
  const { run } = await machine();
  await lab.denyRights('lockout-time');
  onTestFinished(() => lab.restoreDelegation());
  const { found } = only(await run(), 'directory.rights');
  expect(found).toContain('lacks Write lockoutTime on');
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
  const { run } = await machine(lab.bareAccount);
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
