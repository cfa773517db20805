import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AccountChange } from '../../src/agent/directory/directory.ts';
import { Secret } from '../../src/support/secret.ts';
import type { LdapResult } from '../support/ldap-messages.ts';
import { openScriptedDirectory, type ScriptedDirectory } from '../support/scripted-directory.ts';

const NEVER = new AbortController().signal;
const PASSWORD = 'Planted-1-new-password';
const OLD_PASSWORD = 'Begins-with-4-Keys';
const CHANGES: Readonly<Record<AccountChange['op'], AccountChange>> = {
  reset: {
    op: 'reset',
    password: new Secret(PASSWORD),
    unlock: true,
    mustChange: false,
    policyHints: 'off',
  },
  change: {
    op: 'change',
    password: new Secret(PASSWORD),
    oldPassword: new Secret(OLD_PASSWORD),
  },
  unlock: { op: 'unlock' },
};

let scripted: ScriptedDirectory;
let next: { op: 'search' | 'modify'; answer: LdapResult } | undefined;

beforeAll(async () => {
  scripted = await openScriptedDirectory({
    accounts: [{ sam: 'anna', password: OLD_PASSWORD }],
    controllers: [
      {
        instead: ({ op, dn }) =>
          op === next?.op && dn.startsWith('<GUID') ? next.answer : undefined,
      },
    ],
  });
});

afterAll(() => scripted[Symbol.asyncDispose]());

type Asked = AccountChange['op'] | 'read';

async function answered(asked: Asked, answer: LdapResult): Promise<unknown> {
  const { directory, domain } = scripted;
  const { objectGuid } = domain.account('anna');
  next = { op: asked === 'read' ? 'search' : 'modify', answer };
  try {
    const target = { objectGuid, controller: 'dc1.corp.test' };
    return await (
      asked === 'read'
        ? directory.read({ objectGuid }, NEVER)
        : directory.apply(target, CHANGES[asked], NEVER)
    ).catch((error: unknown) => error);
  } finally {
    next = undefined;
  }
}

const RIGHTS = 'delegate Reset Password';
const LDAPS = 'use its LDAPS port';
const WRITABLE = 'configure writable controllers of the domain';
const RESET_IT = 'reset it instead';

/** LDAP result, what Windows or Samba say with it, what was asked, the code, words of cause and cure. */
test.each<[number, string, Asked, string, string]>([
  [53, '0000052D: SvcErr: DSID-031A12D2, problem 5003', 'reset', 'PASSWORD_POLICY', 'policy'],
  [19, '0000052D: AtrErr: DSID-03191083, #1:', 'change', 'PASSWORD_POLICY', 'policy'],
  [19, '0000052D: the password is too short', 'reset', 'PASSWORD_POLICY', 'policy'],
  [19, '0000052D: complexity criteria', 'reset', 'PASSWORD_POLICY', 'policy'],
  [19, '0000052D: already used (in history)', 'change', 'PASSWORD_POLICY', 'policy'],
  [19, '0000052D: too young to change', 'change', 'PASSWORD_POLICY', 'policy'],
  [19, '00000056: AtrErr: DSID-03191083, #1', 'change', 'WRONG_PASSWORD', 'old password is wrong'],
  [53, '00000056: SvcErr: DSID-031A120C', 'change', 'WRONG_PASSWORD', 'old password is wrong'],
  [19, '00000775: locked out', 'change', 'ACCOUNT_LOCKED', 'locked'],
  [53, '00000775: SvcErr', 'change', 'ACCOUNT_LOCKED', 'locked'],
  [19, '00000533: disabled', 'change', 'ACCOUNT_DISABLED', 'disabled'],
  [53, '00000533: SvcErr', 'change', 'ACCOUNT_DISABLED', 'disabled'],
  [19, '00000701: expired', 'change', 'ACCOUNT_EXPIRED', 'expired'],
  [53, '00000701: SvcErr', 'change', 'ACCOUNT_EXPIRED', 'expired'],
  [19, '0000052D: changes are not permitted', 'change', 'CANNOT_CHANGE_PASSWORD', RESET_IT],
  [19, 'error in module acl: Constraint', 'change', 'CANNOT_CHANGE_PASSWORD', RESET_IT],
  [50, '00000005: SecErr: DSID-031A1190', 'change', 'CANNOT_CHANGE_PASSWORD', RESET_IT],
  [50, '00002098: SecErr: DSID-03150E49, problem 4003', 'unlock', 'ACCESS_DENIED', RIGHTS],
  [50, 'error in module acl: insufficient access', 'reset', 'ACCESS_DENIED', RIGHTS],
  [19, '00000005: AtrErr: DSID-03190F80', 'reset', 'ACCESS_DENIED', RIGHTS],
  [53, '0000001F: SvcErr: DSID-031A120C, problem 5003', 'reset', 'DIRECTORY_CONFIG', 'TLS'],
  [53, '00002077: SvcErr: DSID-03190F4C', 'reset', 'DIRECTORY_CONFIG', LDAPS],
  [53, '00002035: LdapErr: comment: GC port', 'reset', 'DIRECTORY_CONFIG', 'port 636'],
  [8, '00002028: LdapErr: DSID-0C090257', 'read', 'DIRECTORY_CONFIG', LDAPS],
  [8, 'Transport encryption required', 'reset', 'DIRECTORY_CONFIG', LDAPS],
  [13, '', 'reset', 'DIRECTORY_CONFIG', LDAPS],
  [10, '0000202B: RefErr: DSID-03100835, data 0', 'reset', 'DIRECTORY_CONFIG', WRITABLE],
  [10, '0000202B: RefErr: DSID-03100835, data 0', 'read', 'DIRECTORY_CONFIG', WRITABLE],
  [9, '', 'read', 'DIRECTORY_CONFIG', WRITABLE],
  [12, '', 'reset', 'DIRECTORY_CONFIG', 'control'],
  [12, '00000057: LdapErr: DSID-0C090A85', 'reset', 'DIRECTORY_CONFIG', 'control'],
  [49, '80090308: LdapErr: data 52e', 'reset', 'DIRECTORY_CONFIG', 'user name and password file'],
  [32, '00002030: NameErr: problem 2001', 'reset', 'ACCOUNT_NOT_FOUND', 'no such account'],
  [32, '0000208D: NameErr: problem 2001', 'read', 'ACCOUNT_NOT_FOUND', 'no such account'],
  [1, '000004DC: LdapErr: bind first', 'reset', 'DIRECTORY_BUSY', 'bind was lost'],
  [1, '00002020: unavailable without authentication', 'reset', 'DIRECTORY_BUSY', 'bind was lost'],
  [3, '', 'read', 'DIRECTORY_BUSY', 'out of time'],
  [11, '', 'read', 'DIRECTORY_BUSY', 'out of resources'],
  [51, '', 'reset', 'DIRECTORY_BUSY', 'busy'],
  [51, '', 'read', 'DIRECTORY_BUSY', 'busy'],
  [52, '00002095: SvcErr: problem 5002', 'reset', 'DIRECTORY_BUSY', 'unavailable'],
  [80, '00000057: SysErr: DSID-031A11F2', 'unlock', 'DIRECTORY_REFUSED', 'malformed'],
  [80, '', 'reset', 'DIRECTORY_REFUSED', 'failed at it'],
  [53, '', 'reset', 'DIRECTORY_REFUSED', 'in the agent log'],
  [4711, 'something new', 'reset', 'DIRECTORY_REFUSED', 'in the agent log'],
])('LDAP %i with %j to a %s is %s', async (...row) => {
  const [result, diagnostic, asked, code, words] = row;
  const { directory, domain, servers, log } = scripted;
  const [server] = servers;
  const logged = log.of('directory.refused').length;
  const before = server?.requests.filter(({ op }) => op === 'modify').length ?? 0;
  const error = await answered(asked, { result, diagnostic: `${diagnostic}\n\0` });
  expect(error).toMatchObject({
    name: 'DirectoryError',
    code,
    retryable: code === 'DIRECTORY_BUSY',
    controller: asked === 'read' && code === 'DIRECTORY_BUSY' ? undefined : 'dc1.corp.test',
    message: expect.stringContaining(words) as string,
  });
  // Its own words go into the log, and nothing was asked for a second time.
  if (diagnostic !== '') expect((error as Error).message).not.toContain(diagnostic);
  expect(log.of('directory.refused').length - logged).toBeLessThanOrEqual(1);
  const modifies = server?.requests.filter(({ op }) => op === 'modify').length ?? 0;
  expect(modifies - before).toBe(asked === 'read' ? 0 : 1);
  expect(log.text()).not.toContain(PASSWORD);

  const { objectGuid } = domain.account('anna');
  await expect(directory.read({ objectGuid }, NEVER)).resolves.toMatchObject({ objectGuid });
});

test.each([
  ['525', 'no such account'],
  ['52e', 'wrong user name or password'],
  ['530', 'logon hours'],
  ['531', 'workstation list'],
  ['532', 'password has expired'],
  ['533', 'disabled'],
  ['701', 'account has expired'],
  ['773', 'must be changed'],
  ['775', 'locked'],
  ['999', 'check the user name'],
])('LDAP 49 data %s to a bind is the service account, with its cure', async (rejects, words) => {
  await using rejecting = await openScriptedDirectory({ rejects });
  const read = rejecting.directory.read({ name: 'anna' }, NEVER);
  await expect(read).rejects.toMatchObject({
    code: 'DIRECTORY_CONFIG',
    message: expect.stringContaining(words) as string,
  });
  expect(rejecting.log.of('directory.credential_rejected')).toHaveLength(1);
});
