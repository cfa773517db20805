import { decodeJwt, errors } from 'jose';
import { CLOCK_TOLERANCE_S, TOKEN_LIFETIME_S } from '../../protocol/command.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { TokenError, verifyToken, type TokenErrorCode } from '../../protocol/tokens.ts';
import type { AgentIdentity } from '../store/records.ts';
import { barOf } from '../writeback/admittance.ts';
import type { Core } from '../writeback/core.ts';
import type { LinkRefusalCode } from '../writeback/service-codes.ts';
import type { ReplayCache } from './replay-cache.ts';

export type Admission =
  | { readonly agent: AgentIdentity }
  | {
      readonly status: 401 | 403;
      readonly code: LinkRefusalCode;
      readonly detail: string;
      /** For our own log. */
      readonly reason?: string;
      readonly serverTime?: string;
    };

const MAX_TOKEN = 4_096;

/** Decides by the upgrade request's bearer token who is there, before any WebSocket exists. */
export async function admit(
  authorization: string | undefined,
  core: Pick<Core, 'issuer' | 'store' | 'clock' | 'deviceKeys'>,
  replays: ReplayCache,
): Promise<Admission> {
  const token = bearerToken(authorization);
  const agent = await claimedAgent(token, core);
  if (agent === undefined) return UNKNOWN;
  const now = core.clock.now();
  try {
    const claims = await verifyToken('connect', token, {
      key: await core.deviceKeys.get(agent.deviceKey),
      now,
      audience: core.issuer,
      issuer: agent.id,
    });
    if (claims.sub !== agent.id || claims.exp - claims.iat > TOKEN_LIFETIME_S) return UNKNOWN;
    const bar = barOf(agent);
    if (bar !== undefined) return { status: 403, code: bar.code, detail: bar.detail };
    const until = (claims.exp + CLOCK_TOLERANCE_S) * 1000;
    return replays.take(agent.id, claims.jti, { until, now }) ? { agent } : REPLAYED;
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    return {
      ...UNKNOWN,
      code: error.code,
      detail: DETAILS[error.code] ?? UNKNOWN.detail,
      reason: error.message,
      serverTime: timestamp(now),
    };
  }
}

const UNKNOWN = {
  status: 401,
  code: 'AGENT_UNKNOWN',
  detail: 'no enrolled agent signed this token',
} as const;

const REPLAYED = {
  status: 401,
  code: 'TOKEN_REPLAYED',
  detail: 'this token was used before; each connection needs a new one',
} as const;

const DETAILS: Partial<Record<TokenErrorCode, string>> = {
  EXPIRED: 'the token is too old: compare the clocks of agent and service',
  NOT_YET_VALID: 'the token is from the future: compare the clocks of agent and service',
  WRONG_AUDIENCE: 'the token is for another service than this URL',
};

/** The token, or an empty text that is from nobody. */
function bearerToken(authorization = ''): string {
  const [, token = ''] = /^Bearer ([\w.-]+)$/i.exec(authorization) ?? [];
  return token.length > MAX_TOKEN ? '' : token;
}

/** Whom the token claims to be from; nothing of it is believed yet. */
async function claimedAgent(
  token: string,
  { store }: Pick<Core, 'store'>,
): Promise<AgentIdentity | undefined> {
  let issuer: string | undefined;
  try {
    issuer = decodeJwt(token).iss;
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
  }
  return issuer === undefined ? undefined : store.agents.identity(issuer);
}
