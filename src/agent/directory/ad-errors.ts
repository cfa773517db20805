import type { ResultCodeError } from 'ldapts';
import type { BrokenRule } from '../../protocol/account.ts';
import { diagnosticOf, win32Code } from './diagnostic.ts';
import { DirectoryError, type AccountChange, type DirectoryErrorCode } from './directory.ts';

/** What was asked when the server refused; `domain` is everything that is no account. */
export type Asked = AccountChange['op'] | 'bind' | 'account' | 'domain';

/** One line of the table: all of its conditions must hold. */
interface Row {
  readonly result: number;
  /** Win32 code (MS-ERREF 2.2) at the start of the diagnostic. */
  readonly win32?: string;
  readonly text?: RegExp;
  readonly asked?: Asked;
  readonly code: DirectoryErrorCode;
  readonly rule?: BrokenRule['rule'];
  /** For the operator: cause and cure. */
  readonly message: string;
}

const POLICY = 'the password breaks the policy';
const MAY_NOT_CHANGE = 'the account may not change its password: reset it instead';
const RIGHTS =
  'delegate Reset Password and write on lockoutTime and pwdLastSet to the service account';
const ENCRYPTION = 'the controller demands encryption or signing: use its LDAPS port';
/** ERROR_GEN_FAILURE: Windows says the same of a weak channel, of a malformed value and of missing rights. */
const GENERAL_FAILURE =
  'the controller takes no password from this connection: look whether its certificate and TLS are in order, and whether the service account may reset passwords there';
const AFFINITY =
  'the controller is read-only or the account is in another domain: configure writable controllers of the domain';

const MALFORMED =
  'the controller calls the request malformed: report it with the words in the agent log';

/**
 * What a directory answers and what it means, first match wins; why a bind was rejected is told by
 * `REASONS` of service-account.ts. LDAP results are RFC 4511 appendix
 * A; Windows gives 53 where Samba gives 19 with a sentence that names the rule.
 */
const ROWS: readonly Row[] = [
  // The account as a change finds it.
  { result: 19, win32: '00000056', code: 'WRONG_PASSWORD', message: 'the old password is wrong' },
  { result: 53, win32: '00000056', code: 'WRONG_PASSWORD', message: 'the old password is wrong' },
  { result: 19, win32: '00000775', code: 'ACCOUNT_LOCKED', message: 'the account is locked' },
  { result: 53, win32: '00000775', code: 'ACCOUNT_LOCKED', message: 'the account is locked' },
  { result: 19, win32: '00000533', code: 'ACCOUNT_DISABLED', message: 'the account is disabled' },
  { result: 53, win32: '00000533', code: 'ACCOUNT_DISABLED', message: 'the account is disabled' },
  { result: 19, win32: '00000701', code: 'ACCOUNT_EXPIRED', message: 'the account has expired' },
  { result: 53, win32: '00000701', code: 'ACCOUNT_EXPIRED', message: 'the account has expired' },
  { result: 50, asked: 'change', code: 'CANNOT_CHANGE_PASSWORD', message: MAY_NOT_CHANGE },
  {
    result: 19,
    asked: 'change',
    text: /^error in module acl/i, // Samba's way to deny Change Password
    code: 'CANNOT_CHANGE_PASSWORD',
    message: MAY_NOT_CHANGE,
  },

  // The password.
  { result: 19, text: /too short/i, code: 'PASSWORD_POLICY', rule: 'length', message: POLICY },
  {
    result: 19,
    text: /complexity/i,
    code: 'PASSWORD_POLICY',
    rule: 'complexity',
    message: POLICY,
  },
  {
    result: 19,
    text: /already used/i,
    code: 'PASSWORD_POLICY',
    rule: 'history',
    message: POLICY,
  },
  {
    result: 19,
    text: /too young/i,
    code: 'PASSWORD_POLICY',
    rule: 'minimum-age',
    message: POLICY,
  },
  {
    result: 19,
    text: /changes are not permitted/i,
    code: 'CANNOT_CHANGE_PASSWORD',
    message: 'the domain does not let anybody change passwords: reset it instead',
  },
  { result: 19, win32: '0000052D', code: 'PASSWORD_POLICY', message: POLICY },
  { result: 53, win32: '0000052D', code: 'PASSWORD_POLICY', message: POLICY },

  // Rights.
  { result: 19, win32: '00000005', code: 'ACCESS_DENIED', message: RIGHTS },
  { result: 50, code: 'ACCESS_DENIED', message: RIGHTS },

  // Where and how the agent asks.
  { result: 8, code: 'DIRECTORY_CONFIG', message: ENCRYPTION },
  { result: 13, code: 'DIRECTORY_CONFIG', message: ENCRYPTION },
  { result: 53, win32: '00002077', code: 'DIRECTORY_CONFIG', message: ENCRYPTION },
  { result: 53, win32: '0000001F', code: 'DIRECTORY_CONFIG', message: GENERAL_FAILURE },
  {
    result: 53,
    win32: '00002035',
    code: 'DIRECTORY_CONFIG',
    message: 'this is a global catalog or the controller takes no passwords here: use port 636',
  },
  { result: 10, code: 'DIRECTORY_CONFIG', message: AFFINITY },
  { result: 9, code: 'DIRECTORY_CONFIG', message: AFFINITY },
  {
    result: 12,
    code: 'DIRECTORY_CONFIG',
    message: 'the controller does not know a control that the configuration demands',
  },
  {
    result: 49,
    code: 'DIRECTORY_CONFIG',
    message: 'the service account is not accepted: check user name and password file',
  },
  {
    result: 32,
    asked: 'domain',
    code: 'DIRECTORY_CONFIG',
    message: 'a part of the directory is not there, or is hidden from the service account',
  },
  { result: 32, code: 'ACCOUNT_NOT_FOUND', message: 'there is no such account, or it is hidden' },

  // Not now: nothing was changed.
  { result: 1, win32: '000004DC', code: 'DIRECTORY_BUSY', message: 'the bind was lost' },
  { result: 1, win32: '00002020', code: 'DIRECTORY_BUSY', message: 'the bind was lost' },
  { result: 3, code: 'DIRECTORY_BUSY', message: 'the controller ran out of time' },
  { result: 11, code: 'DIRECTORY_BUSY', message: 'the controller ran out of resources' },
  { result: 51, code: 'DIRECTORY_BUSY', message: 'the controller is busy' },
  { result: 52, code: 'DIRECTORY_BUSY', message: 'the controller is unavailable' },

  // A request that is wrong in itself (ERROR_INVALID_PARAMETER), which is a fault of this program.
  { result: 80, win32: '00000057', code: 'DIRECTORY_REFUSED', message: MALFORMED },
  {
    result: 80,
    code: 'DIRECTORY_REFUSED',
    message: 'the controller failed at it; its words are in the agent log',
  },
];

const REFUSED = 'the controller refused; its words are in the agent log';

/** The error that a server's answer is. What it said goes into `diagnostic` and nowhere else. */
export function toDirectoryError(
  error: ResultCodeError,
  asked: Asked,
  controller: string,
): DirectoryError {
  const diagnostic = diagnosticOf(error);
  const win32 = win32Code(diagnostic);
  const row = ROWS.find(
    (candidate) =>
      candidate.result === error.code &&
      (candidate.win32 === undefined || candidate.win32 === win32) &&
      (candidate.text?.test(diagnostic) ?? true) &&
      (candidate.asked === undefined || candidate.asked === asked),
  );
  return new DirectoryError(
    row?.code ?? 'DIRECTORY_REFUSED',
    `${controller}: ${row?.message ?? REFUSED}`,
    {
      controller,
      diagnostic: `LDAP ${error.code} ${diagnostic}`.trim(),
      rules: row?.rule === undefined ? [] : [brokenRule(row.rule, diagnostic)],
      cause: error,
    },
  );
}

/** `certain`: the rule is the server's own word. */
function brokenRule(rule: BrokenRule['rule'], diagnostic: string): BrokenRule {
  const minimumLength = Number(/\b(\d{1,5}) characters/.exec(diagnostic)?.[1]);
  return {
    rule,
    confidence: 'certain',
    ...(rule === 'length' && minimumLength > 0 && { minimumLength }),
  };
}
