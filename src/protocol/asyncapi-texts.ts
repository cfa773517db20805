import type { CLOSE_CODES, FromAgent, FromService, RPC_ERRORS } from './messages.ts';
import type { TokenName } from './tokens.ts';

type Meanings<T> = Readonly<Record<keyof T & string, string>>;

const FROM_AGENT: Meanings<FromAgent> = {
  'agent.hello':
    'Answers the challenge: who the agent is, what it can and may do, how it is, and how far its journal reaches. Nothing else is served before it is accepted.',
  'agent.status': 'A status report: on every change, else every five minutes.',
  'agent.keys': 'A new sealing key; from now on secrets are sealed to it.',
  'command.began':
    'The write of a command is about to begin. Without it or an answer within 3 s the service gives the session up.',
  'outcome.report':
    'Outcomes that may never have arrived: their answer was lost with its session, or nobody asked. They complete the trail; what became of an operation is still asked for.',
  'session.goodbye':
    'The agent is stopping; it finishes what it has begun and takes nothing new. The service says goodbye, too: after that nothing comes.',
};

const FROM_SERVICE: Meanings<FromService> = {
  'session.challenge': 'The first frame of a session: the nonce that the hello must sign.',
  'session.renew':
    'Says anew what a welcome says and asks for a fresh hello, without losing the session: before it gets too old, and when the key set, a sealing key or the approval has changed.',
  'session.goodbye':
    'The service is stopping or moving; the agent dials again, after the time given. In answer to the goodbye of the agent: nothing more will be asked.',
  'account.inspect':
    'Reads one account: its state, the baseline for a write, the policy that applies, and what the guard would say.',
  'command.execute':
    'One dispatch of an operation. The answer is the outcome, from the directory or from the journal; a command takes effect once.',
  'writeback.set': 'The writeback toggle. The answer is what the agent holds now.',
};

/** What each method is for, by side. */
export const METHOD_MEANINGS: Readonly<
  Record<'fromAgent' | 'fromService', Readonly<Record<string, string>>>
> = { fromAgent: FROM_AGENT, fromService: FROM_SERVICE };

/** What each close code of the socket means. */
export const CLOSE_MEANINGS: Meanings<typeof CLOSE_CODES> = {
  drain: 'This side is stopping or restarting; dial again.',
  revoked: 'The agent was revoked; enrol again.',
  superseded: 'A newer session of the same agent has taken over.',
  upgradeRequired: 'The agent or its protocol is too old.',
  protocolError: 'The other side broke the protocol.',
  wrongJournal:
    'The journal of the agent is older than, or not, the one that the service knows; enrol again.',
  tooSlow: 'The agent neither began a command nor answered it in time; dial again.',
  disabled: 'An admin has disabled the agent, until it is enabled again.',
};

/** What each JSON-RPC error code means. */
export const RPC_MEANINGS: Meanings<typeof RPC_ERRORS> = {
  parse: 'Reserved by JSON-RPC; here such a frame ends the link.',
  invalidRequest: 'Reserved by JSON-RPC; here such a frame ends the link.',
  methodNotFound: 'There is no such method in this direction.',
  invalidParams: 'The parameters are not what the schema says.',
  internal: 'A fault of the side that answers; it has been logged there.',
  notNow: 'The call is not due in this state of the session.',
  notAccepted: 'A signed statement was not accepted; `data.code` says why.',
};

interface TokenFacts {
  readonly signedBy: string;
  readonly meaning: string;
}

const ROOT = "the service's root key, pinned at enrolment";
const SERVICE = "a command-signing key of the service's newest key set";
const DEVICE = "the agent's device key";
const ENROLLMENT = 'the secret of the enrolment token, as a MAC';

/** Who signs each kind of token, and what for. */
export const TOKEN_FACTS: Readonly<Record<TokenName, TokenFacts>> = {
  command: { signedBy: SERVICE, meaning: 'One dispatch of an operation to one agent.' },
  inspect: { signedBy: SERVICE, meaning: 'A request to read one account.' },
  writeback: { signedBy: SERVICE, meaning: 'The writeback toggle; the highest version counts.' },
  'key-set': { signedBy: ROOT, meaning: 'The command-signing keys; the highest number counts.' },
  'sealing-key': { signedBy: DEVICE, meaning: 'The key that secrets are sealed to.' },
  outcome: { signedBy: DEVICE, meaning: 'What became of an operation; chained to the one before.' },
  inspection: { signedBy: DEVICE, meaning: 'What an account looks like.' },
  connect: { signedBy: DEVICE, meaning: 'Permission to open the socket.' },
  hello: { signedBy: DEVICE, meaning: 'The answer to the challenge of a session.' },
  status: { signedBy: DEVICE, meaning: 'A status report.' },
  'enroll-request': { signedBy: ENROLLMENT, meaning: "The agent's keys, at enrolment." },
  'enroll-response': { signedBy: ENROLLMENT, meaning: "The service's root key, at enrolment." },
};
