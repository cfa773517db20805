import { ModifyResponse, StatusCodeParser, type ResultCodeError } from 'ldapts';
import { expect, test } from 'vitest';
import { toDirectoryError, type Asked } from '../../../../src/agent/directory/ad-errors.ts';

/** As ldapts makes them of what a server answers. */
function answer(status: number, errorMessage: string): ResultCodeError {
  return StatusCodeParser.parse(new ModifyResponse({ messageId: 1, status, errorMessage }));
}

const RESTRICTION = '0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\0';
const SAMBA = '0000052D: Constraint violation - check_password_restrictions: ';

test.each<[number, string, Asked, string]>([
  [53, RESTRICTION, 'reset', 'PASSWORD_POLICY'],
  [19, '0000052D: AtrErr: DSID-03191083, #1:\n\t0: 0000052D', 'change', 'PASSWORD_POLICY'],
  [19, '00000056: AtrErr: DSID-03191083, #1', 'change', 'WRONG_PASSWORD'],
  [53, '00000056: SvcErr: DSID-031A120C', 'change', 'WRONG_PASSWORD'],
  [19, '00000775: Password change not permitted, account locked out!', 'change', 'ACCOUNT_LOCKED'],
  [53, '00000775: SvcErr: DSID-031A120C', 'change', 'ACCOUNT_LOCKED'],
  [19, '00000533: disabled', 'change', 'ACCOUNT_DISABLED'],
  [53, '00000533: SvcErr', 'change', 'ACCOUNT_DISABLED'],
  [19, '00000701: expired', 'change', 'ACCOUNT_EXPIRED'],
  [53, '00000701: SvcErr', 'change', 'ACCOUNT_EXPIRED'],
  [19, `${SAMBA}password changes are not permitted!`, 'change', 'CANNOT_CHANGE_PASSWORD'],
  [
    19,
    'error in module acl: Constraint violation during LDB_MODIFY (19)',
    'change',
    'CANNOT_CHANGE_PASSWORD',
  ],
  [50, '00000005: SecErr: DSID-031A1190, problem 4003', 'change', 'CANNOT_CHANGE_PASSWORD'],
  [50, '00000005: SecErr: DSID-031A1190, problem 4003', 'reset', 'ACCESS_DENIED'],
  [50, '00002098: SecErr: DSID-03150E49, problem 4003', 'unlock', 'ACCESS_DENIED'],
  [50, 'error in module acl: insufficient access rights', 'reset', 'ACCESS_DENIED'],
  [19, '00000005: AtrErr: DSID-03190F80', 'reset', 'ACCESS_DENIED'],
  [53, '0000001F: SvcErr: DSID-031A120C, problem 5003', 'reset', 'DIRECTORY_CONFIG'],
  [53, '00002077: SvcErr: DSID-03190F4C', 'reset', 'DIRECTORY_CONFIG'],
  [53, '00002035: LdapErr: DSID-0C0904BA, comment: GC port', 'reset', 'DIRECTORY_CONFIG'],
  [8, '00002028: LdapErr: DSID-0C090257', 'bind', 'DIRECTORY_CONFIG'],
  [8, 'BindSimple: Transport encryption required.', 'bind', 'DIRECTORY_CONFIG'],
  [13, '', 'bind', 'DIRECTORY_CONFIG'],
  [10, '0000202B: RefErr: DSID-03100835, data 0', 'reset', 'DIRECTORY_CONFIG'],
  [9, '', 'account', 'DIRECTORY_CONFIG'],
  [12, '', 'reset', 'DIRECTORY_CONFIG'],
  [12, '00000057: LdapErr', 'reset', 'DIRECTORY_CONFIG'],
  [49, '80090308: LdapErr: DSID-0C090569, data 52e', 'account', 'DIRECTORY_CONFIG'],
  [32, '00002030: NameErr: DSID-0310028C, problem 2001', 'reset', 'ACCOUNT_NOT_FOUND'],
  [32, '00002030: NameErr: DSID-0310028C, problem 2001', 'account', 'ACCOUNT_NOT_FOUND'],
  [32, '00002030: NameErr: DSID-0310028C, problem 2001', 'domain', 'DIRECTORY_CONFIG'],
  [
    1,
    '000004DC: LdapErr: DSID-0C0907E1, a successful bind must be completed',
    'reset',
    'DIRECTORY_BUSY',
  ],
  [1, '00002020: Operation unavailable without authentication', 'reset', 'DIRECTORY_BUSY'],
  [3, '', 'account', 'DIRECTORY_BUSY'],
  [11, '', 'account', 'DIRECTORY_BUSY'],
  [51, '', 'reset', 'DIRECTORY_BUSY'],
  [52, '', 'reset', 'DIRECTORY_BUSY'],
  [80, '00000057: SysErr: DSID-031A11F2, problem 22', 'unlock', 'DIRECTORY_REFUSED'],
  [53, '', 'reset', 'DIRECTORY_REFUSED'],
  [1, '00000057: operations error', 'reset', 'DIRECTORY_REFUSED'],
  [200, 'something new', 'reset', 'DIRECTORY_REFUSED'],
])('LDAP %i with %j to a %s is %s', (result, diagnostic, asked, code) => {
  const error = toDirectoryError(answer(result, diagnostic), asked, 'dc1.corp.test');
  expect(error).toMatchObject({ code, controller: 'dc1.corp.test', rules: [] });
});

test.each([
  [
    'the password is too short. It should be equal or longer than 12 characters!',
    { rule: 'length', minimumLength: 12 },
  ],
  ['the password is too short!', { rule: 'length' }],
  ['the password does not meet the complexity criteria!', { rule: 'complexity' }],
  ['the password was already used (in history)!', { rule: 'history' }],
  ['the password was already used (previous password)!', { rule: 'history' }],
  ['password is too young to change!', { rule: 'minimum-age' }],
])('a rule the server names itself is certain: %s', (text, rule) => {
  const error = toDirectoryError(answer(19, `${SAMBA}${text}`), 'change', 'dc1');
  expect(error.code).toBe('PASSWORD_POLICY');
  expect(error.rules).toEqual([{ ...rule, confidence: 'certain' }]);
});

test('the words of the server are cleaned, capped, and in the diagnostic only', () => {
  const error = toDirectoryError(
    answer(19, `0000052D: secret\n\t\0words${'x'.repeat(2_000)}`),
    'reset',
    'dc1',
  );
  expect(error.diagnostic).toMatch(/^LDAP 19 0000052D: secret wordsx+$/);
  expect(error.diagnostic?.length).toBeLessThanOrEqual(520);
  expect(error.message).not.toContain('words');
});

test("ldapts' own addition to the message is not the server's", () => {
  const error = toDirectoryError(answer(50, '00002098: no'), 'reset', 'dc1');
  expect(error.diagnostic).toBe('LDAP 50 00002098: no');
});
