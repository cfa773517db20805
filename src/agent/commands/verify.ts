import type { JWTVerifyGetKey } from 'jose';
import type { OutcomeCode } from '../../protocol/codes.ts';
import {
  CLOCK_TOLERANCE_S,
  OPERATION_LIFETIME_MS,
  TOKEN_LIFETIME_S,
  type CommandClaims,
  type InspectClaims,
} from '../../protocol/command.ts';
import { TokenError, verifyToken, type TokenErrorCode } from '../../protocol/tokens.ts';
import { Refusal } from './outcomes.ts';

export interface Verifier {
  readonly agentId: string;
  readonly directory: string;
  readonly issuer: string;
  readonly commandKeys: JWTVerifyGetKey;
  readonly now: () => number;
}

const CODES: Record<TokenErrorCode, OutcomeCode> = {
  BAD_SIGNATURE: 'BAD_SIGNATURE',
  WRONG_ISSUER: 'BAD_SIGNATURE',
  MALFORMED: 'MALFORMED',
  EXPIRED: 'EXPIRED',
  NOT_YET_VALID: 'NOT_YET_VALID',
  WRONG_AUDIENCE: 'WRONG_DIRECTORY',
};

/**
 * The claims of a command for this agent in this session. Throws `Refusal` unless every one of
 * signature, type, shape, issuer, directory, agent, session and time holds.
 */
export async function verifyCommand(
  token: string,
  sessionId: string,
  verifier: Verifier,
): Promise<CommandClaims> {
  const claims = await verify('command', token, sessionId, verifier);
  const lifetimeMs = Date.parse(claims.notAfter) - claims.iat * 1000;
  // The service itself bounds how long an operation lives; more than that is not its command.
  if (lifetimeMs > OPERATION_LIFETIME_MS + CLOCK_TOLERANCE_S * 1000) throw new Refusal('MALFORMED');
  return claims;
}

/** The claims of a question about an account, held to the same as a command. */
export function verifyInspect(
  token: string,
  sessionId: string,
  verifier: Verifier,
): Promise<InspectClaims> {
  return verify('inspect', token, sessionId, verifier);
}

async function verify<T extends 'command' | 'inspect'>(
  kind: T,
  token: string,
  sessionId: string,
  { agentId, directory, issuer, commandKeys, now }: Verifier,
): Promise<T extends 'command' ? CommandClaims : InspectClaims> {
  const claims = await verifyToken(kind, token, {
    key: commandKeys,
    now: now(),
    audience: directory,
    issuer,
  }).catch((error: unknown) => {
    throw error instanceof TokenError ? new Refusal(CODES[error.code]) : error;
  });
  if (claims.agent !== agentId || claims.sid !== sessionId) throw new Refusal('WRONG_AGENT');
  if (claims.exp - claims.iat > TOKEN_LIFETIME_S) throw new Refusal('MALFORMED');
  return claims as T extends 'command' ? CommandClaims : InspectClaims;
}
