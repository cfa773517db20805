import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rightsOf } from '../../src/agent/health/rights.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import { Secret } from '../../src/support/secret.ts';
import { administer, runDelegation, setInheritance } from '../lab/delegation.ts';
import { bindAs, firstController, openLabDirectory } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';

const NEVER = new AbortController().signal;
const NEW_PASSWORD = 'Planted-1-new-password';
const ACCOUNT = 'svc-bare';
const ALL = {
  resetPassword: 'granted',
  writeLockoutTime: 'granted',
  writePwdLastSet: 'granted',
  unexpirePassword: 'granted',
};
const NONE = {
  ...ALL,
  resetPassword: 'missing',
  writeLockoutTime: 'missing',
  writePwdLastSet: 'missing',
};
const USER_CLASS = 'bf967aba-0de6-11d0-a285-00aa003049e2';
const LOCKOUT_TIME = '28630ebf-41d5-11d1-a9c1-0000f80367c1';
const PWD_LAST_SET = 'bf967a0a-0de6-11d0-a285-00aa003049e2';
const USER_ACCOUNT_CONTROL = 'bf967a68-0de6-11d0-a285-00aa003049e2';
const RESET_PASSWORD = '00299570-246d-11d0-a768-00aa006e0529';
const UNEXPIRE_PASSWORD = 'ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501';
const ENTRIES = [
  ['Reset Password', `(OA;CIIO;CR;${RESET_PASSWORD};${USER_CLASS};SID)`],
  ['write lockoutTime', `(OA;CIIO;RPWP;${LOCKOUT_TIME};${USER_CLASS};SID)`],
  ['write pwdLastSet', `(OA;CIIO;RPWP;${PWD_LAST_SET};${USER_CLASS};SID)`],
] as const;

const lab = useLab();
const { baseDn, delegatedOu: people } = lab;
const [berlin, outside] = [`OU=Berlin,${people}`, `OU=Outside,${baseDn}`];
const BEFORE = '/tmp/delegation-before.json';
let sid = '';
let files = 0;

beforeAll(async () => {
  await lab.reset();
  const shown = await administer(
    lab,
    ...['samba-tool', 'user', 'show', ACCOUNT, '--attributes=objectSid'],
  );
  sid = /^objectSid: (\S+)$/m.exec(shown)?.[1] ?? '';
  const units = [people, berlin, outside].flatMap((unit) => ['--ou', unit]);
  await administer(lab, 'rm', '-f', BEFORE);
  await run('backup', ...units, '--unexpire', '--read-policies', '--backup', BEFORE);
});

beforeEach(() => lab.reset());

afterEach(() => run('restore', BEFORE, '--backup', newFile()));

function newFile(): string {
  return `/tmp/delegation-${process.pid}-${++files}.json`;
}

/** Resolves with the output of the script; rejects when it does not end with 0. */
async function run(...args: readonly string[]): Promise<string> {
  const { exitCode, output } = await runDelegation(lab, ...args);
  expect(output, args.join(' ')).not.toContain('Traceback');
  expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
  return output;
}

function grant(...more: readonly string[]): Promise<string> {
  return run('grant', '--account', ACCOUNT, '--ou', people, '--backup', newFile(), ...more);
}

function revoke(...more: readonly string[]): Promise<string> {
  return run('revoke', '--account', ACCOUNT, '--ou', people, '--backup', newFile(), ...more);
}

function verify(...more: readonly string[]) {
  return runDelegation(lab, 'verify', '--account', ACCOUNT, '--ou', people, ...more);
}

async function allow(dn: string, entry: string): Promise<void> {
  const sddl = `--sddl=${entry.replaceAll('SID', sid)}`;
  await administer(lab, 'samba-tool', 'dsacl', 'set', `--objectdn=${dn}`, sddl);
}

async function takeAway(dn: string, entry: string): Promise<void> {
  const sddl = `--sddl=${entry.replaceAll('SID', sid)}`;
  await administer(lab, 'samba-tool', 'dsacl', 'delete', `--objectdn=${dn}`, sddl);
}

/** Lets the agent's own adapter do something, bound as the account that the script is about. */
async function asAgent<T>(use: (directory: Directory) => Promise<T>): Promise<T> {
  const directory = openLabDirectory(lab, { bind: bindAs(lab.bareAccount) });
  try {
    return await use(directory);
  } finally {
    await directory[Symbol.asyncDispose]();
  }
}

function rights() {
  return asAgent(async (directory) => rightsOf(await directory.selfTest([people], NEVER)));
}

function reset(sam: string) {
  const target = { objectGuid: lab.person(sam).objectGuid, controller: firstController(lab).name };
  const password = new Secret(NEW_PASSWORD);
  const change = { op: 'reset', password, unlock: true, mustChange: false } as const;
  return asAgent((directory) => directory.apply(target, { ...change, policyHints: 'off' }, NEVER));
}

describe('what grant gives', () => {
  test('is all that the agent looks for, and enough for a reset below the unit only', async () => {
    expect(await rights()).toEqual(NONE);
    await grant();
    expect(await rights()).toEqual(ALL);
    await reset('clara');
    expect(await lab.kinit('clara', NEW_PASSWORD)).toBe('ok');
    await expect(reset('olaf')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(await verify()).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('exactly what Passback needs') as string,
    });
  });

  test('is gone after revoke, and a reset is denied', async () => {
    await grant();
    await revoke();
    expect(await rights()).toEqual(NONE);
    await expect(reset('anna')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    const { exitCode, output } = await verify();
    expect(exitCode).toBe(1);
    expect(output).toContain('3 missing, 0 too much');
  });

  test('is neither doubled by a second grant nor missed by a second revoke', async () => {
    await grant();
    expect(await grant()).toContain(`as it is   ${people}`);
    await revoke();
    expect(await revoke()).toContain(`as it is   ${people}`);
  });

  test('leaves the rights of others and what is inherited as they are', async () => {
    const shown = () => administer(lab, 'samba-tool', 'dsacl', 'get', `--objectdn=${people}`);
    const before = await shown();
    await grant();
    expect(await shown()).not.toBe(before);
    await revoke();
    expect(await shown()).toBe(before);
  });

  test('stands behind refusals, where the canonical order has it', async () => {
    await allow(people, '(D;CI;WP;;;S-1-5-21-1-2-3-4444)');
    await grant();
    const dacl = await administer(lab, 'samba-tool', 'dsacl', 'get', `--objectdn=${people}`);
    expect(dacl.indexOf('S-1-5-21-1-2-3-4444')).toBeLessThan(dacl.indexOf(sid));
  });

  test('can be said first, without a change and without a file', async () => {
    const said = await grant('--dry-run');
    expect(said).toContain(`would be   ${people}`);
    expect(said).toContain(`+ Reset Password, on users below  (OA;CIIO;CR;${RESET_PASSWORD}`);
    expect(said).not.toContain('backup');
    expect(await rights()).toEqual(NONE);
  });

  test('can be given to a group instead, and verify says so of the group', async () => {
    const group = ['--account', 'Long Passwords', '--ou', people];
    await run('grant', ...group, '--backup', newFile());
    expect(await run('verify', ...group)).toContain('exactly what Passback needs');
    expect((await verify()).exitCode).toBe(1);
  });

  test('can be given over the network by an administrator who logs on', async () => {
    const login = ['-H', 'ldap://DC1.corp.test', '-A', '/tmp/administrator'];
    const file = `printf 'username = Administrator\\npassword = %s\\ndomain = CORP\\n' '${lab.administrator.password}' > /tmp/administrator`;
    await administer(lab, 'sh', '-c', `umask 077; ${file}`);
    await grant(...login);
    expect(await rights()).toEqual(ALL);
    expect((await verify(...login)).exitCode).toBe(0);
  });
});

describe('the two rights on request', () => {
  const everybody = `(OA;;CR;${UNEXPIRE_PASSWORD};;AU)`;

  test('Unexpire Password is missed where it was taken from everybody, and given', async () => {
    await grant();
    await takeAway(baseDn, everybody);
    const { exitCode, output } = await verify();
    expect(exitCode).toBe(1);
    expect(output).toContain('missing   Unexpire Password: run grant with --unexpire');
    expect(await rights()).toMatchObject({ unexpirePassword: 'missing' });
    await grant('--unexpire');
    expect(await rights()).toEqual(ALL);
    expect((await verify()).exitCode).toBe(0);
  });

  test('the read of fine-grained policies shows them to the agent', async () => {
    const strict = { objectGuid: lab.person('strict').objectGuid };
    const policy = () => asAgent(async (directory) => (await directory.read(strict, NEVER)).policy);
    await grant();
    expect(await policy()).toEqual({ source: 'unreadable' });
    expect((await verify('--read-policies')).exitCode).toBe(1);
    await grant('--read-policies');
    expect(await policy()).toMatchObject({ source: 'fine-grained', minimumLength: 16 });
    expect((await verify('--read-policies')).exitCode).toBe(0);
    await revoke('--read-policies');
    expect(await policy()).toEqual({ source: 'unreadable' });
  });
});

describe('verify', () => {
  test('names each right that is missing', async () => {
    await grant();
    const missing: string[] = [];
    for (const [name, entry] of ENTRIES) {
      await takeAway(people, entry);
      missing.push(name);
      const { exitCode, output } = await verify();
      expect(exitCode).toBe(1);
      expect(output.match(/(?<=missing {3}).+(?=, on users below)/g)).toEqual(missing);
    }
  });

  test('calls everything else too much, wherever it is, and revoke leaves it', async () => {
    await grant();
    const olga = lab.person('olga').dn;
    const more = [
      [people, '(A;CIIO;GA;;;SID)', 'full control, on everything below'],
      [
        people,
        `(OA;CIIO;RPWP;${USER_ACCOUNT_CONTROL};${USER_CLASS};SID)`,
        'read, write (userAccountControl), on users below',
      ],
      // Computers, too.
      [people, `(OA;CIIO;CR;${RESET_PASSWORD};;SID)`, 'Reset Password, on everything below'],
      [outside, `(OA;CIIO;CR;${RESET_PASSWORD};${USER_CLASS};SID)`, 'Reset Password, on users'],
      [olga, `(OA;;CR;${RESET_PASSWORD};;SID)`, 'Reset Password, on this object'],
    ] as const;
    for (const [place, entry] of more) await allow(place, entry);
    try {
      const { exitCode, output } = await verify();
      expect(exitCode).toBe(2);
      for (const [place, , words] of more) {
        expect(output).toContain(`${place}\n`);
        expect(output).toContain(`too much  ${words}`);
      }
      expect(output).toContain('0 missing, 5 too much');
      await revoke();
      expect((await verify()).output).toContain('3 missing, 5 too much');
    } finally {
      // The backup holds units; what an account has of its own is taken away here.
      await takeAway(olga, `(OA;;CR;${RESET_PASSWORD};;SID)`);
    }
  });

  test('calls a delegation that comes from above too much, unless that unit is named, too', async () => {
    await grant();
    const alone = await runDelegation(lab, 'verify', '--account', ACCOUNT, '--ou', berlin);
    expect(alone.exitCode).toBe(2);
    expect(alone.output).toContain(`too much  Reset Password, inherited from ${people}`);
    const both = await verify('--ou', berlin);
    expect(both.exitCode).toBe(0);
    expect(both.output).toContain(`there     Reset Password, on users below (from ${people})`);
  });

  test('sees what comes through a group', async () => {
    await grant();
    await administer(lab, 'samba-tool', 'group', 'addmembers', 'Account Operators', ACCOUNT);
    try {
      const { exitCode, output } = await verify();
      expect(exitCode).toBe(2);
      expect(output).toContain('it is a member of Account Operators: take it out');
      expect(output).toContain('through Account Operators');
    } finally {
      await administer(lab, 'samba-tool', 'group', 'removemembers', 'Account Operators', ACCOUNT);
    }
  });

  test('sees what a refusal takes away', async () => {
    await grant();
    await allow(people, `(OD;CIIO;CR;${RESET_PASSWORD};${USER_CLASS};WD)`);
    const { exitCode, output } = await verify();
    expect(exitCode).toBe(1);
    expect(output).toContain('Reset Password: refused to Everyone by (OD;');
  });

  test.each([
    ['a unit', () => berlin, 'nothing reaches the users in it'],
    ['an account', () => lab.person('anna').dn, 'does not inherit'],
  ])('names %s that inherits nothing', async (_, place, words) => {
    await grant();
    await setInheritance(lab, place(), 'off');
    try {
      const { exitCode, output } = await verify();
      expect(exitCode).toBe(1);
      expect(output).toContain(place());
      expect(output).toContain(words);
    } finally {
      await setInheritance(lab, place(), 'on');
    }
    expect((await verify()).exitCode).toBe(0);
  });

  test('finds the delegation of the lab exact, which this very script has given', async () => {
    const { exitCode } = await runDelegation(
      lab,
      ...['verify', '--account', lab.serviceAccount.userPrincipalName, '--ou', people],
    );
    expect(exitCode).toBe(0);
  });
});

describe('a backup', () => {
  test('is made before a change and brings back what was there, whoever changed it', async () => {
    const file = newFile();
    await run('grant', '--account', ACCOUNT, '--ou', people, '--backup', file);
    await allow(people, '(A;CI;GA;;;SID)');
    expect(await run('restore', file, '--dry-run')).toContain('- full control');
    expect((await verify()).exitCode).toBe(2);
    await run('restore', file, '--backup', newFile());
    expect((await verify()).output).toContain('3 missing, 0 too much');
    expect(await administer(lab, 'stat', '-c', '%a', file)).toContain('600');
  });

  test('never takes the place of another file, and without one nothing is changed', async () => {
    const answer = await runDelegation(
      lab,
      ...['grant', '--account', ACCOUNT, '--ou', people, '--backup', BEFORE],
    );
    expect(answer.exitCode).toBe(70);
    expect(answer.output).toContain('so nothing was changed');
    expect(await rights()).toEqual(NONE);
  });

  test.each([
    ['of another domain', 's/"domainSid": "[^"]*"/"domainSid": "S-1-5-21-1-2-3"/', 'not of DC='],
    ['that is cut short', '5,$d', 'is no backup that can be read'],
  ])('%s is refused', async (_, edit, words) => {
    const file = newFile();
    await administer(lab, 'sh', '-c', `sed '${edit}' ${BEFORE} > ${file}`);
    const answer = await runDelegation(lab, 'restore', file);
    expect(answer).toMatchObject({ exitCode: 70 });
    expect(answer.output).toContain(words);
  });
});

test('what cannot be ends with the exit code for it and says why', async () => {
  const refused = [
    [['grant', '--ou', people], 64, '--account is missing'],
    [['verify', '--account', ACCOUNT], 64, '--ou is missing'],
    [['give', '--account', ACCOUNT], 64, 'say what to do'],
    [['verify', '--account', ACCOUNT, '--ou', people, '-U', 'A%b'], 64, 'no password on a command'],
    [['grant', '--account', 'nobody', '--ou', people], 70, 'there is no account nobody'],
    [['grant', '--account', 'Domain Users', '--ou', people], 70, 'came with the domain'],
    [['grant', '--account', ACCOUNT, '--ou', `OU=Nowhere,${baseDn}`], 70, 'correct --ou'],
    [['grant', '--account', ACCOUNT, '--ou', lab.bareAccount.dn], 70, 'no organisational unit'],
  ] as const;
  for (const [args, exitCode, words] of refused) {
    const answer = await runDelegation(lab, ...args);
    expect(answer, args.join(' ')).toMatchObject({ exitCode });
    expect(answer.output).toContain(words);
    expect(answer.output).not.toContain('Traceback');
  }
});
