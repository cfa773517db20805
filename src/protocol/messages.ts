import { z } from 'zod';
import { VerificationKey } from './keys.ts';
import { MAX_RECIPIENTS } from './sealed.ts';
import { CompactJws, HostName, Sha256, ShortText, Timestamp, Uuid } from './shapes.ts';
import type { TokenName } from './tokens.ts';

export const SUBPROTOCOL = 'passback.v1';
export const ENROLL_PATH = '/v1/enroll';
export const CONNECT_PATH = '/v1/connect';

/** A frame over this many bytes closes the link. */
export const MAX_FRAME_BYTES = 64 * 1024;

/** The agent pings this often, waits this long for the pong; the service gives a silent session up after the last. */
export const PING_EVERY_MS = 25_000;
export const PONG_WITHIN_MS = 10_000;
export const SILENCE_LIMIT_MS = 40_000;

export const CLOSE_CODES = {
  drain: 1001,
  revoked: 4001,
  superseded: 4002,
  upgradeRequired: 4003,
  protocolError: 4004,
  wrongJournal: 4005,
  tooSlow: 4006,
  disabled: 4007,
} as const;

/** JSON-RPC 2.0 error codes; ours are in the range the standard leaves to servers. */
export const RPC_ERRORS = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** The call is not due in this state of the session. */
  notNow: -32000,
  /** A signed statement was not accepted; `data.code` says why. */
  notAccepted: -32001,
} as const;

const Empty = z.strictObject({});

/** A token of the named kind, as a member of a message; for the reader and the document only. */
function token(name: TokenName): typeof CompactJws {
  return CompactJws.meta({ description: `A token of the kind \`${name}\`.` });
}

/** An agent that secrets are sealed to. Who knows its fingerprint need not believe the service. */
export const PeerStatement = z
  .strictObject({ deviceKey: VerificationKey, sealingKey: token('sealing-key') })
  .meta({ id: 'PeerStatement' });

export type PeerStatement = z.infer<typeof PeerStatement>;

/** As many outcomes as one report may hold, and as many characters: a frame has room for no more. */
export const MAX_REPORTED = 32;
export const MAX_REPORTED_LENGTH = 48 * 1024;

/** What an agent is told of itself and of what it has to believe, with every welcome and renewal. */
const standing = {
  serverTime: Timestamp.meta({ description: 'For reporting only; no check is made against it.' }),
  approved: z.boolean(),
  keySet: token('key-set'),
  toggle: token('writeback').optional(),
  peers: z
    .array(PeerStatement)
    .max(2 * MAX_RECIPIENTS)
    .meta({
      description:
        'All approved agents of the directory, this one included; one that has just replaced its sealing key twice, the key in use last.',
    }),
  trail: z.strictObject({ epoch: Uuid, seq: z.int().nonnegative() }).optional().meta({
    description:
      'The service has every outcome of this journal up to this one; what came after it is to be reported.',
  }),
};

export const Standing = z.strictObject(standing);

export type Standing = z.infer<typeof Standing>;

/** What the service answers to a hello that it accepts. */
export const Welcome = z
  .strictObject({
    session: Uuid,
    ...standing,
    protocol: z.int().positive().meta({ description: 'The highest that both sides speak.' }),
    oldestVersion: z.string().max(64),
    spreadMs: z.int().nonnegative().optional().meta({
      description:
        'Once this link is lost, to wait up to so long before dialling again, at random: as long as the service would need for all of its agents at one time. An agent takes a minute at the most.',
    }),
  })
  .meta({ id: 'Welcome' });

export type Welcome = z.infer<typeof Welcome>;

/** A call that is answered. */
interface Call {
  readonly params: z.ZodType;
  readonly result: z.ZodType;
}

/** A call that is not. */
interface Notice {
  readonly params: z.ZodType;
  readonly result?: never;
}

/** What the service sends. */
export const FROM_SERVICE = {
  // Read before a protocol is agreed on: a newer service may say more.
  'session.challenge': { params: z.object({ session: Uuid, nonce: Sha256 }) },
  'session.renew': {
    params: z.strictObject({ nonce: Sha256, ...standing }),
    result: z.strictObject({ hello: token('hello') }),
  },
  'session.goodbye': {
    params: z.strictObject({ reason: ShortText, retryAfterMs: z.int().nonnegative().optional() }),
  },
  'account.inspect': {
    params: z.strictObject({ request: token('inspect') }),
    result: z.strictObject({ inspection: token('inspection') }),
  },
  'command.execute': {
    params: z.strictObject({ command: token('command') }),
    result: z.strictObject({ outcome: token('outcome') }),
  },
  'writeback.set': {
    params: z.strictObject({ toggle: token('writeback') }),
    result: z.strictObject({ version: z.int().nonnegative(), enabled: z.boolean() }),
  },
} as const satisfies Record<string, Call | Notice>;

/** What the agent sends. */
export const FROM_AGENT = {
  'agent.hello': { params: z.strictObject({ hello: token('hello') }), result: Welcome },
  'agent.status': { params: z.strictObject({ status: token('status') }) },
  'agent.keys': { params: z.strictObject({ sealingKey: token('sealing-key') }), result: Empty },
  'command.began': {
    params: z.strictObject({ cmd: Uuid, jti: Uuid, controller: HostName.optional() }),
  },
  'outcome.report': {
    params: z.strictObject({ outcomes: z.array(token('outcome')).min(1).max(MAX_REPORTED) }),
    result: Empty,
  },
  'session.goodbye': { params: z.strictObject({ reason: ShortText }) },
} as const satisfies Record<string, Call | Notice>;

export type Methods = Readonly<Record<string, Call | Notice>>;
export type FromService = typeof FROM_SERVICE;
export type FromAgent = typeof FROM_AGENT;

export type Params<M extends Methods, K extends keyof M> = z.infer<M[K]['params']>;
export type Result<M extends Methods, K extends keyof M> = M[K] extends Call
  ? z.infer<M[K]['result']>
  : undefined;
