/** What became of an operation: done, declined before anything was tried, tried in vain, or not known. */
export type Status = 'applied' | 'refused' | 'failed' | 'unknown';

/** Who can do something about it: nobody has to (`later`), the person, an administrator, or nobody can. */
export type Retry = 'later' | 'user' | 'admin' | 'never';

export interface CodeFacts {
  readonly status: Status;
  readonly retry?: Retry;
  /** Number in the log and the Windows Event Log; success has one per operation, see `operationEvents`. */
  readonly event: number;
  /** The service may hand the same operation over again by itself until its `notAfter`. */
  readonly redispatch?: true;
  readonly meaning: string;
  readonly action: string;
}

/** Every outcome there is. Stable: programs and SIEM rules depend on names and numbers. */
export const CODES = {
  APPLIED: {
    status: 'applied',
    event: 31002,
    meaning: 'The directory has taken the change.',
    action: 'Nothing to do.',
  },
  EXPIRED: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command reached the agent after its time.',
    action: 'Start the operation again; if it repeats, compare the clocks of service and agent.',
  },
  NOT_YET_VALID: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: "The command is from the future by the agent's clock.",
    action: 'Compare the clocks of service and agent.',
  },
  BAD_SIGNATURE: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command was not signed by a key of the pinned service.',
    action:
      'Somebody on the way alters frames, or the service signs with a key that is not in its key set.',
  },
  WRONG_DIRECTORY: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command is for another directory.',
    action: 'Look for a misrouted connection or a replayed frame.',
  },
  WRONG_AGENT: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command is for another agent or another session.',
    action: 'Look for a misrouted connection or a replayed frame.',
  },
  MALFORMED: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command does not have the shape that the protocol gives it.',
    action: 'Compare the versions of service and agent.',
  },
  MISMATCH: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The operation is known with other content.',
    action: 'Prepare a new operation; one id never carries two requests.',
  },
  CLOCK_SKEW: {
    status: 'refused',
    retry: 'admin',
    event: 31123,
    meaning:
      'The clocks of agent and domain controller are too far apart to tell what happened when.',
    action: 'Correct the time on the machine that the message names.',
  },
  UNKNOWN_KEY: {
    status: 'refused',
    retry: 'later',
    event: 32004,
    meaning: 'The secret was sealed to a key that the agent does not have any more.',
    action: 'Prepare and seal again.',
  },
  NOT_OPENABLE: {
    status: 'refused',
    retry: 'later',
    event: 32004,
    meaning: 'The sealed secret does not open: it was altered or belongs to another operation.',
    action: 'Prepare and seal again; if it repeats, look at who builds the requests.',
  },
  UNKNOWN_RECIPIENT: {
    status: 'refused',
    retry: 'admin',
    event: 32004,
    meaning: 'The secret was also sealed to a key that belongs to none of the configured peers.',
    action: 'Compare the fingerprints of all agents with `peers` in the agent configuration.',
  },
  PAUSED: {
    status: 'refused',
    retry: 'later',
    event: 31120,
    redispatch: true,
    meaning: 'Writeback is paused.',
    action:
      'When the reason for the pause is gone, run `passback-cloud resume`; for a pause of the agent itself `passback resume` on its machine (the message says which).',
  },
  DRAINING: {
    status: 'refused',
    retry: 'later',
    event: 31120,
    redispatch: true,
    meaning: 'The agent is stopping and takes nothing new.',
    action: 'Nothing to do; another agent or the restarted one takes it.',
  },
  BUSY: {
    status: 'refused',
    retry: 'later',
    event: 31120,
    redispatch: true,
    meaning: 'The agent has as much work as it takes.',
    action: 'Nothing to do; add an agent if it stays.',
  },
  OPERATION_NOT_ALLOWED: {
    status: 'refused',
    retry: 'admin',
    event: 33004,
    meaning: 'The agent configuration does not allow this operation.',
    action: 'Add the operation to `guard.operations` in the agent configuration if it is wanted.',
  },
  OUT_OF_SCOPE: {
    status: 'refused',
    retry: 'admin',
    event: 33004,
    meaning: 'The account is outside the organisational units and groups that the agent may touch.',
    action:
      'Move the account, or widen `guard.baseDns` or `guard.allowedGroups` in the agent configuration.',
  },
  PROTECTED_ACCOUNT: {
    status: 'refused',
    retry: 'admin',
    event: 33004,
    meaning: 'The account is privileged or protected.',
    action: 'Reset it by hand; privileged accounts are not for self-service.',
  },
  RATE_LIMITED: {
    status: 'refused',
    retry: 'later',
    event: 31121,
    meaning: 'Too many operations in too short a time.',
    action: 'Wait until the time given.',
  },
  BREAKER_OPEN: {
    status: 'refused',
    retry: 'admin',
    event: 31121,
    meaning: 'The agent has stopped itself, or this caller, after an unusual number of operations.',
    action: 'Find out who caused them, then run `passback resume --breaker` on the agent.',
  },
  DRY_RUN: {
    status: 'refused',
    retry: 'admin',
    event: 31124,
    meaning: 'The change would have been made, but the agent only rehearses: nothing was written.',
    action: 'Set `guard.dryRun` to false in the agent configuration when the rehearsal is over.',
  },
  SUPERSEDED: {
    status: 'refused',
    retry: 'user',
    event: 31122,
    meaning: 'Somebody else changed the account since the operation was prepared.',
    action: 'Look which password works, then start again if needed.',
  },
  ACCOUNT_NOT_FOUND: {
    status: 'refused',
    retry: 'admin',
    event: 33002,
    meaning: 'There is no such account, or the service account cannot see it.',
    action: 'Check the name and the read rights of the service account.',
  },
  ACCOUNT_AMBIGUOUS: {
    status: 'refused',
    retry: 'admin',
    event: 33003,
    meaning: 'More than one account has this name.',
    action: 'Make the user principal name unique.',
  },
  ACCOUNT_DISABLED: {
    status: 'refused',
    retry: 'admin',
    event: 33005,
    meaning: 'The account is disabled.',
    action: 'Enable it in the directory first.',
  },
  ACCOUNT_EXPIRED: {
    status: 'refused',
    retry: 'admin',
    event: 33005,
    meaning: 'The account has expired.',
    action: 'Extend it in the directory first.',
  },
  SMARTCARD_REQUIRED: {
    status: 'refused',
    retry: 'admin',
    event: 33005,
    meaning: 'The account logs on by smart card only; a password would not help.',
    action: 'Take the flag off in the directory first.',
  },
  ACCOUNT_LOCKED: {
    status: 'refused',
    retry: 'user',
    event: 33006,
    meaning: 'The account is locked, so the old password cannot be checked.',
    action: 'Unlock it, or reset the password instead of changing it.',
  },
  WRONG_PASSWORD: {
    status: 'refused',
    retry: 'user',
    event: 33007,
    meaning: 'The old password is wrong.',
    action: 'Try again with the right one; each wrong one counts towards lockout.',
  },
  PASSWORD_POLICY: {
    status: 'refused',
    retry: 'user',
    event: 33008,
    meaning: 'The directory does not accept this password.',
    action: 'Choose another one by the rules given.',
  },
  PASSWORD_NOT_ENCODABLE: {
    status: 'refused',
    retry: 'user',
    event: 33008,
    meaning: 'The password holds a character that nobody could log on with, or is too long.',
    action: 'Choose another one: at most 256 characters, no control character NUL.',
  },
  CANNOT_CHANGE_PASSWORD: {
    status: 'refused',
    retry: 'admin',
    event: 33008,
    meaning: 'The account is not allowed to change its password.',
    action: 'Allow it in the directory, or reset instead.',
  },
  ACCESS_DENIED: {
    status: 'failed',
    retry: 'admin',
    event: 33004,
    meaning: 'The directory does not allow the service account to do this.',
    action:
      'Delegate Reset Password and write on lockoutTime and pwdLastSet for the unit of the account.',
  },
  DIRECTORY_CONFIG: {
    status: 'failed',
    retry: 'admin',
    event: 33009,
    meaning: 'The directory or the service account is not set up as the agent needs it.',
    action:
      'Read the line of the operation in the agent log; `passback config check` and the rights of the service account (service/OPERATING.md) are what to look at.',
  },
  DIRECTORY_UNREACHABLE: {
    status: 'failed',
    retry: 'later',
    event: 33001,
    redispatch: true,
    meaning: 'No domain controller could be reached; nothing was sent.',
    action: 'Check the network and the domain controllers.',
  },
  DIRECTORY_BUSY: {
    status: 'failed',
    retry: 'later',
    event: 33001,
    redispatch: true,
    meaning: 'The domain controller is too busy; nothing was changed.',
    action: 'Nothing to do; look at the domain controller if it stays.',
  },
  DIRECTORY_REFUSED: {
    status: 'failed',
    retry: 'admin',
    event: 33001,
    meaning: 'The domain controller refused for a reason that has no code of its own.',
    action: 'Read the diagnostic in the agent log.',
  },
  INDETERMINATE: {
    status: 'unknown',
    retry: 'user',
    event: 33001,
    meaning: 'The change was sent and its result was never heard.',
    action: 'Try the new password first; if it does not work, start again.',
  },
} as const satisfies Record<string, CodeFacts>;

export type OutcomeCode = keyof typeof CODES;

export const OUTCOME_CODES = Object.keys(CODES) as [OutcomeCode, ...OutcomeCode[]];

export type Operation = 'reset' | 'change' | 'unlock';

export type By = 'self' | 'admin';

interface OperationEvents {
  readonly started: number;
  readonly applied: number;
  readonly failed: number;
}

const EVENTS: Record<Operation | 'reset by admin', OperationEvents> = {
  reset: { started: 31001, applied: 31002, failed: 31003 },
  change: { started: 31006, applied: 31007, failed: 31008 },
  'reset by admin': { started: 31009, applied: 31010, failed: 31011 },
  unlock: { started: 31101, applied: 31102, failed: 31103 },
};

/** The numbers an operation is logged under when it starts, succeeds and fails. */
export function operationEvents(op: Operation, by: By): OperationEvents {
  return EVENTS[op === 'reset' && by === 'admin' ? 'reset by admin' : op];
}

/** The facts of a code, without the literal types, for callers that only read them. */
export function factsOf(code: OutcomeCode): CodeFacts {
  return CODES[code];
}
