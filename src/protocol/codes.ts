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
    action:
      'Start the operation again. If it repeats, correct the clock that is wrong (NTP), of the machine of the service or of the agent.',
  },
  NOT_YET_VALID: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: "The command is from the future by the agent's clock.",
    action:
      'Correct the clock that is wrong (NTP), of the machine of the service or of the agent: the message names both. Then start again.',
  },
  BAD_SIGNATURE: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command was not signed by a key of the pinned service.',
    action:
      'Once: start again. If it repeats, see that every node of the service has the same key folder and that nothing on the way alters frames; if neither explains it, run `passback pause` on the agent and treat it as an attack.',
  },
  WRONG_DIRECTORY: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command is for another directory.',
    action:
      'Once: nothing to do, a late frame. If it repeats, run `passback pause` on the agent: somebody sends it what was made for another; look at what is between agent and service.',
  },
  WRONG_AGENT: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command is for another agent or another session.',
    action:
      'Once: nothing to do, a late frame of an earlier session. If it repeats, run `passback pause` on the agent: somebody sends it what was made for another; look at what is between agent and service.',
  },
  MALFORMED: {
    status: 'refused',
    retry: 'never',
    event: 32008,
    meaning: 'The command does not have the shape that the protocol gives it.',
    action:
      'Update the older of the two programs: `passback-cloud status` shows the version of each agent, `passback-cloud --version` that of the service.',
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
    action:
      'Compare `passback-cloud agent list` with the fingerprints that `passback enroll` printed on each machine. An agent of yours: add it to `guard.peers` of the others. A stranger: run `passback pause`, revoke it, and treat the service as taken over.',
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
    action:
      'Nothing to do for a moment. If it stays, look at the latency of the domain controllers (`passback status`), or add an agent.',
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
    action:
      'Reset it by hand, as an administrator: privileged accounts are not for self-service. One that is privileged no more still has adminCount 1: clear that and turn inheritance on.',
  },
  RATE_LIMITED: {
    status: 'refused',
    retry: 'later',
    event: 31121,
    meaning: 'Too many operations in too short a time.',
    action:
      'Wait until the time given. If people meet it on ordinary days, raise `guard.limits` in the agent configuration.',
  },
  BREAKER_OPEN: {
    status: 'refused',
    retry: 'admin',
    event: 31121,
    meaning: 'The agent has stopped itself, or this caller, after an unusual number of operations.',
    action:
      'Find out who caused them (`passback-cloud audit`, `breaker.tripped` in the agent log) and end that: revoke the key, or pause. Then run `passback resume --breaker` on the machine of the agent.',
  },
  DRY_RUN: {
    status: 'refused',
    retry: 'admin',
    event: 31124,
    meaning: 'The change would have been made, but the agent only rehearses: nothing was written.',
    action:
      'Nothing was changed. When the rehearsal is over, set `guard.dryRun` to false in the agent configuration and restart the agent.',
  },
  SUPERSEDED: {
    status: 'refused',
    retry: 'user',
    event: 31122,
    meaning: 'Somebody else changed the account since the operation was prepared.',
    action:
      'Nothing was overwritten: the password that was set last is the one that counts. Try it; if nobody knows it, start again.',
  },
  ACCOUNT_NOT_FOUND: {
    status: 'refused',
    retry: 'admin',
    event: 33002,
    meaning: 'There is no such account, or the service account cannot see it.',
    action:
      'Check the spelling; try `logon-name@domain`. If the account is there, let the service account read it (Read on its unit).',
  },
  ACCOUNT_AMBIGUOUS: {
    status: 'refused',
    retry: 'admin',
    event: 33003,
    meaning: 'More than one account has this name.',
    action:
      'Search the directory for the name in userPrincipalName and sAMAccountName, and make it unique; until then name the account by its objectGUID.',
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
    action:
      'Give the person another smart card, or take the tick `Smart card is required` off in the directory first.',
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
    action: 'Take the tick `User cannot change password` off in the directory, or reset instead.',
  },
  ACCESS_DENIED: {
    status: 'failed',
    retry: 'admin',
    event: 33004,
    meaning: 'The directory does not allow the service account to do this.',
    action:
      'Run `passback-delegation verify` with the unit of the account, then `grant` for what is missing (DELEGATION.md).',
  },
  DIRECTORY_CONFIG: {
    status: 'failed',
    retry: 'admin',
    event: 33009,
    meaning: 'The directory or the service account is not set up as the agent needs it.',
    action:
      'Run `passback doctor` on the machine of the agent: it says what is missing, and the command for it. `passback status` there has the short form.',
  },
  DIRECTORY_UNREACHABLE: {
    status: 'failed',
    retry: 'later',
    event: 33001,
    redispatch: true,
    meaning: 'No domain controller could be reached; nothing was sent.',
    action:
      'Start again in a minute. If it stays, `passback status` on the machine of the agent lists each domain controller and what is wrong with it: network, port 636, certificate, or it is down.',
  },
  DIRECTORY_BUSY: {
    status: 'failed',
    retry: 'later',
    event: 33001,
    redispatch: true,
    meaning: 'The domain controller is too busy; nothing was changed.',
    action:
      'Start again in a minute. If it stays, look at the load of the domain controller that the message names.',
  },
  DIRECTORY_REFUSED: {
    status: 'failed',
    retry: 'admin',
    event: 33001,
    meaning: 'The domain controller refused for a reason that has no code of its own.',
    action:
      'Find `directory.refused` (30302) of that time in the agent log and give its `diagnostic` to whoever runs the domain controllers.',
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
