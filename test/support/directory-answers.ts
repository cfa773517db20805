import type { LdapResult } from './ldap-messages.ts';

/** Whose words a scripted domain uses: Windows' terse codes or Samba's sentences. */
export type Dialect = 'windows' | 'samba';

/** Why a scripted domain refuses. */
export type Refused =
  | 'too-short'
  | 'too-simple'
  | 'name-inside'
  | 'in-history'
  | 'too-young'
  | 'wrong-old-password'
  | 'locked'
  | 'may-not-change'
  | 'no-reset-right'
  | 'no-write-right'
  | 'not-quoted'
  | 'bad-value'
  | 'no-object'
  | 'unknown-control'
  | 'referral'
  | 'not-bound';

const RESTRICTION: LdapResult = {
  result: 53,
  diagnostic: '0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\0',
};
const CHANGE_RESTRICTION: LdapResult = {
  result: 19,
  diagnostic: attributeError('0000052D'),
};

const WINDOWS: Readonly<Record<Refused, LdapResult>> = {
  'too-short': RESTRICTION,
  'too-simple': RESTRICTION,
  'name-inside': RESTRICTION,
  'in-history': RESTRICTION,
  'too-young': RESTRICTION,
  'wrong-old-password': { result: 19, diagnostic: attributeError('00000056') },
  locked: { result: 19, diagnostic: attributeError('00000775') },
  'may-not-change': {
    result: 50,
    diagnostic: '00000005: SecErr: DSID-031A11EF, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0',
  },
  'no-reset-right': {
    result: 50,
    diagnostic: '00000005: SecErr: DSID-031A11EF, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0',
  },
  'no-write-right': {
    result: 50,
    diagnostic: '00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0',
  },
  'not-quoted': {
    result: 53,
    diagnostic: '0000001F: SvcErr: DSID-031A120C, problem 5003 (WILL_NOT_PERFORM), data 0\n\0',
  },
  'bad-value': {
    result: 80,
    diagnostic: '00000057: SysErr: DSID-031A11F2, problem 22 (Invalid argument), data 0\n\0',
  },
  'no-object': {
    result: 32,
    diagnostic:
      "0000208D: NameErr: DSID-03100245, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'DC=corp,DC=test'\n\0",
  },
  'unknown-control': {
    result: 12,
    diagnostic:
      '00000057: LdapErr: DSID-0C090A85, comment: Error processing control, data 0, v4563\0',
  },
  referral: {
    result: 10,
    diagnostic:
      "0000202B: RefErr: DSID-030A0B09, data 0, 1 access points\n\tref 1: 'corp.test'\n\0",
  },
  'not-bound': {
    result: 1,
    diagnostic:
      '000004DC: LdapErr: DSID-0C0907E1, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563\0',
  },
};

const RULE = '0000052D: Constraint violation - check_password_restrictions: ';

const SAMBA: Readonly<Record<Refused, LdapResult>> = {
  ...WINDOWS,
  'too-short': { result: 19, diagnostic: `${RULE}the password is too short!` },
  'too-simple': {
    result: 19,
    diagnostic: `${RULE}the password does not meet the complexity criteria!`,
  },
  'in-history': {
    result: 19,
    diagnostic: `${RULE}the password was already used (in history)!`,
  },
  'too-young': { result: 19, diagnostic: `${RULE}password is too young to change!` },
  'wrong-old-password': {
    result: 19,
    diagnostic: "00000056: check_password_restrictions: The old password specified doesn't match!",
  },
  locked: {
    result: 19,
    diagnostic: '00000775: Password change not permitted, account locked out!',
  },
  'may-not-change': {
    result: 19,
    diagnostic: 'error in module acl: Constraint violation during LDB_MODIFY (19)',
  },
  'no-reset-right': {
    result: 50,
    diagnostic: 'error in module acl: insufficient access rights during LDB_MODIFY (50)',
  },
  'not-quoted': { result: 53, diagnostic: '00002035: setup_io: unicodePwd is not quoted' },
  'unknown-control': { result: 12 },
  'not-bound': {
    result: 1,
    diagnostic: '00002020: Operation unavailable without authentication',
  },
};

/** The answer that a refusal is. Windows gives a change 19 where it gives a reset 53; neither says why. */
export function refusalIn(
  dialect: Dialect,
  why: Refused,
  { change, minimumLength }: { readonly change: boolean; readonly minimumLength: number },
): LdapResult {
  if (dialect === 'samba') {
    if (why !== 'too-short') return SAMBA[why];
    const number = `It should be equal or longer than ${minimumLength} characters!`;
    return { result: 19, diagnostic: `${RULE}the password is too short. ${number}` };
  }
  const answer = WINDOWS[why];
  return answer === RESTRICTION && change ? CHANGE_RESTRICTION : answer;
}

/** A rejected bind: what follows `data` is a Win32 code (MS-ERREF 2.2). */
export function rejectedBind(code: string): LdapResult {
  return {
    result: 49,
    diagnostic: `80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data ${code}, v4563\0`,
  };
}

function attributeError(win32: string): string {
  const dsid = 'DSID-03191083';
  return `${win32}: AtrErr: ${dsid}, #1:\n\t0: ${win32}: ${dsid}, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)\n\0`;
}
