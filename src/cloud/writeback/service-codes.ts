import type { Retry } from '../../protocol/codes.ts';
import type { TokenErrorCode } from '../../protocol/tokens.ts';
import type { ResumeAlarm } from './outcome-trail.ts';

export type ProblemStatus =
  400 | 401 | 403 | 404 | 409 | 411 | 413 | 415 | 422 | 429 | 500 | 502 | 503 | 504;

export interface ServiceCodeFacts {
  readonly status: ProblemStatus;
  readonly retry: Retry;
  readonly meaning: string;
  readonly action: string;
}

/** What the service itself tells callers of the API, on top of the agents' outcome codes. Stable, as these are. */
export const SERVICE_CODES = {
  NO_AGENT: {
    status: 503,
    retry: 'later',
    meaning: 'No agent that could be asked is connected to this directory.',
    action:
      'Run `passback-cloud status`: it says whether one has to be enrolled, approved or started.',
  },
  NO_ANSWER: {
    status: 504,
    retry: 'later',
    meaning: 'An agent was asked about the account and did not answer in time.',
    action:
      'Start again in a minute. If it stays, run `passback status` on the machine of the agent and look at the latency of its domain controllers.',
  },
  AGENT_MISBEHAVED: {
    status: 502,
    retry: 'admin',
    meaning: 'An agent gave an answer that it did not sign for this question, or an empty one.',
    action:
      'Look for `agent.alarm` in `passback-cloud audit` and do what the table of alarms says; revoke the agent if you cannot explain it.',
  },
  INVALID_OPTIONS: {
    status: 400,
    retry: 'never',
    meaning: 'This kind of operation does not have an option that was wished.',
    action: 'Prepare again without the option that the message names.',
  },
  INVALID_PAUSE: {
    status: 400,
    retry: 'never',
    meaning: 'The end that was given for a pause is none that a pause can have.',
    action: 'Give either `until` or `forSeconds`, at most 30 days from now, and with a pause only.',
  },
  UNKNOWN_OPERATION: {
    status: 404,
    retry: 'never',
    meaning: 'There is no such operation in this directory, or another key prepared it.',
    action: 'Prepare one first and submit it with the same API key, before it is 30 days old.',
  },
  OPERATION_CONFLICT: {
    status: 409,
    retry: 'never',
    meaning:
      'The operation is in a state, or was submitted with content, that does not allow this.',
    action:
      'Ask for the operation to see what became of it; for another attempt prepare a new one.',
  },
  WRONG_BINDING: {
    status: 422,
    retry: 'never',
    meaning: 'The secret is not bound to this operation.',
    action: 'Seal it anew with the `aad` that prepare gave for this very operation.',
  },
  WRONG_RECIPIENT: {
    status: 422,
    retry: 'later',
    meaning: 'The secret is not sealed to exactly the agents that prepare named.',
    action: 'Prepare again, and seal to each of its `recipients`, once, and to nobody else.',
  },
  SECRET_MISSING: {
    status: 422,
    retry: 'never',
    meaning: 'A reset or a change was submitted without a password.',
    action: 'Submit it with `secret`: the password, sealed to the recipients.',
  },
  SECRET_UNEXPECTED: {
    status: 422,
    retry: 'never',
    meaning: 'An unlock was submitted with a secret.',
    action: 'Submit it with the body `{}`.',
  },
  UNKNOWN_AGENT: {
    status: 404,
    retry: 'never',
    meaning: 'There is no such agent in this directory.',
    action: 'Take the id from `passback-cloud agent list`.',
  },
  WRONG_FINGERPRINT: {
    status: 409,
    retry: 'never',
    meaning: 'The fingerprint is not the one of the agent that was to be approved.',
    action:
      'Compare it with what `passback enroll` printed on the machine. If that is what you gave, somebody else has enrolled under this id: revoke it and enrol again with a new token.',
  },
  TOO_MANY_AGENTS: {
    status: 409,
    retry: 'admin',
    meaning: 'The directory has as many approved agents as a secret can be sealed to.',
    action: 'Revoke one that is not needed (`passback-cloud agent revoke`), then approve again.',
  },
  AGENT_REVOKED: {
    status: 409,
    retry: 'never',
    meaning: 'The agent has been revoked, which is for good.',
    action: 'Enrol it anew with a token of `passback-cloud token`.',
  },
  AGENT_DISABLED: {
    status: 409,
    retry: 'admin',
    meaning: 'The agent that was to be approved is disabled.',
    action: 'Run `passback-cloud agent enable` when the reason is gone, then approve again.',
  },
  ENROLLMENT_REFUSED: {
    status: 403,
    retry: 'admin',
    meaning: 'The enrolment token is unknown, was used, or has expired.',
    action: 'Make a new one with `passback-cloud token`; it is good for one agent and one hour.',
  },
  UNAUTHENTICATED: {
    status: 401,
    retry: 'admin',
    meaning: 'The request came without an API key that is good.',
    action:
      'Send `Authorization: Bearer pbk_…` with a key of `passback-cloud key add`; `passback-cloud key list` shows which are revoked.',
  },
  FORBIDDEN: {
    status: 403,
    retry: 'admin',
    meaning: 'The API key is for another directory, or lacks the scope that the message names.',
    action: 'Use a key that has it, or make one with `passback-cloud key add`.',
  },
  NOT_FOUND: {
    status: 404,
    retry: 'never',
    meaning: 'There is nothing at this path, or not with this method.',
    action: 'Compare the address with `openapi.json`; a reverse proxy must not cut its path.',
  },
  INVALID_REQUEST: {
    status: 400,
    retry: 'never',
    meaning: 'The path, the query or the body is not what the API describes.',
    action: 'Correct what is named as wrong (`errors`); where nothing is, send a body of JSON.',
  },
  LENGTH_REQUIRED: {
    status: 411,
    retry: 'never',
    meaning: 'The body came in chunks, without its length.',
    action: 'Send a Content-Length; a proxy on the way must not turn it into chunks.',
  },
  TOO_LARGE: {
    status: 413,
    retry: 'never',
    meaning: 'The body is longer than any request to this API.',
    action: 'Send only what the API describes.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    retry: 'never',
    meaning: 'The body is not said to be JSON.',
    action: 'Send it with `Content-Type: application/json`.',
  },
  TOO_MANY_REQUESTS: {
    status: 429,
    retry: 'later',
    meaning: 'This key has too many requests under way, or too many machines enrol in one minute.',
    action: 'Wait as long as Retry-After says and ask again; have fewer requests under way.',
  },
  STOPPING: {
    status: 503,
    retry: 'later',
    meaning: 'The service is stopping and takes nothing new.',
    action: 'Ask again as soon as Retry-After says; another node, or the restarted one, answers.',
  },
  INTERNAL: {
    status: 500,
    retry: 'admin',
    meaning: 'The service failed: its database, its disk (503 where it may pass), or a bug.',
    action:
      'Find `cloud.request_failed` (40301) with this `requestId` in the log of the service and do what the table of events says.',
  },
} as const satisfies Record<string, ServiceCodeFacts>;

export type ServiceCode = keyof typeof SERVICE_CODES;

/** The facts of a code, without the literal types, for callers that only read them. */
export function serviceFactsOf(code: ServiceCode): ServiceCodeFacts {
  return SERVICE_CODES[code];
}

export interface LinkRefusalFacts {
  readonly meaning: string;
  readonly action: string;
}

export type LinkRefusalCode =
  | TokenErrorCode
  | ResumeAlarm
  | 'AGENT_DISABLED'
  | 'AGENT_REVOKED'
  | 'AGENT_UNKNOWN'
  | 'INTERNAL'
  | 'NOT_FOUND'
  | 'NOT_READY'
  | 'SEALING_KEY_REFUSED'
  | 'SECOND_SESSION'
  | 'TOKEN_REPLAYED'
  | 'UPGRADE_REQUIRED'
  | 'WRONG_NONCE';

const ENROL_ANEW =
  'Enrol the agent anew with an empty state folder and a new token, and revoke the old one.';
const SET_CLOCKS = 'Correct the clock that is wrong (NTP), of the agent or of the service.';
const ON_THE_WAY =
  'Once: nothing to do. If it repeats, look at what is between agent and service, which alters or repeats what passes.';

/** Why an agent is not let in: at the upgrade of its connection, or in answer to its hello. */
export const LINK_REFUSALS: Readonly<Record<LinkRefusalCode, LinkRefusalFacts>> = {
  AGENT_DISABLED: {
    meaning: 'An admin has disabled the agent.',
    action:
      'When the reason is gone: `passback-cloud agent enable`; it tries again within a quarter of an hour, at once when it is restarted.',
  },
  AGENT_REVOKED: {
    meaning: 'The agent was revoked.',
    action: 'Nothing to do if that is wished: stop it. Else enrol it anew with a new token.',
  },
  AGENT_UNKNOWN: {
    meaning: 'No agent that is enrolled here signed the token of the connection.',
    action:
      'See that `service.url` of the agent is this service and that its database is not an older one; else enrol the agent anew.',
  },
  BAD_SIGNATURE: {
    meaning: 'A statement is not signed by the key of this agent.',
    action:
      'See that only one machine has its state folder; else enrol the agent anew and look at the machine.',
  },
  EXPIRED: { meaning: 'A statement of the agent came too late.', action: SET_CLOCKS },
  INTERNAL: {
    meaning: 'The service failed while it looked at the agent.',
    action: 'Find `cloud.request_failed` (40301) of that time in the log of the service.',
  },
  JOURNAL_FORKED: {
    meaning: 'The journal of the agent differs from what the service has seen: a copy of it ran.',
    action: ENROL_ANEW,
  },
  JOURNAL_REPLACED: {
    meaning: 'The journal of the agent is not the one that the service knows.',
    action: ENROL_ANEW,
  },
  JOURNAL_WENT_BACKWARDS: {
    meaning: 'The journal of the agent is older than what the service has seen: a backup.',
    action: ENROL_ANEW,
  },
  MALFORMED: {
    meaning: 'A statement of the agent does not have the shape that the protocol gives it.',
    action: 'Update the older of the two programs.',
  },
  NOT_FOUND: {
    meaning: 'A WebSocket was asked for at another path than that of the agents.',
    action: 'Correct `service.url` of the agent; a reverse proxy must not cut its path.',
  },
  NOT_READY: {
    meaning: 'The service is stopping, or decides about very many agents at this moment.',
    action: 'Nothing to do: the agent dials again by itself.',
  },
  NOT_YET_VALID: { meaning: 'A statement of the agent is from the future.', action: SET_CLOCKS },
  SEALING_KEY_REFUSED: {
    meaning: 'The statement about the key that secrets are sealed to was not accepted.',
    action:
      'Look at the clocks of agent and service and at both versions; if neither explains it, revoke the agent and look at the machine.',
  },
  SECOND_SESSION: {
    meaning: 'The agent is connected already.',
    action:
      'Stop the machine that runs a copy of the state folder and enrol it on its own. Once, after a cut connection: nothing to do.',
  },
  TOKEN_REPLAYED: {
    meaning: 'The token of the connection was used before.',
    action: ON_THE_WAY,
  },
  UPGRADE_REQUIRED: {
    meaning: 'The agent, or the protocol that it speaks, is too old for this service, or too new.',
    action: 'Update the older of the two programs; `passback-cloud status` shows the versions.',
  },
  WRONG_AUDIENCE: {
    meaning: 'A statement of the agent is for another service than this one.',
    action:
      'Give the agent the address under which it was enrolled, the `url` of this service, as `service.url`.',
  },
  WRONG_ISSUER: {
    meaning: 'A statement was made by another agent than the one whose connection this is.',
    action:
      'See that only one machine has this state folder; else revoke the agent and look at the machine.',
  },
  WRONG_NONCE: {
    meaning: 'The hello does not answer the challenge of this session.',
    action: ON_THE_WAY,
  },
};
