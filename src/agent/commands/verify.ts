import { decodeJwt, type JWTVerifyGetKey } from 'jose';
import type { OutcomeCode } from '../../protocol/codes.ts';
import {
  CLOCK_TOLERANCE_S,
  OPERATION_LIFETIME_MS,
  TOKEN_LIFETIME_S,
  CommandClaims,
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
 * A command that the service did give to this agent, but for another session or a later time: it
 * would pass there and then, so that its refusal has to be remembered.
 */
export class MisplacedCommand extends Refusal {
  readonly claims: CommandClaims;

  constructor(
    code: 'WRONG_AGENT' | 'NOT_YET_VALID',
    claims: CommandClaims,
    details?: Refusal['details'],
  ) {
    super(code, details);
    this.claims = claims;
  }
}

/**
 * The claims of a command for this agent in this session. Throws `Refusal` unless every one of
 * signature, type, shape, issuer, directory, agent, session and time holds; `MisplacedCommand` when
 * only the session or the beginning of its time does not.
 */
export async function verifyCommand(
  token: string,
  sessionId: string,
  verifier: Verifier,
): Promise<CommandClaims> {
  const claims = await verify('command', token, verifier).catch((error: unknown) => {
    throw error instanceof Refusal && error.code === 'NOT_YET_VALID'
      ? tooEarly(token, error, verifier)
      : error;
  });
  const lifetimeMs = Date.parse(claims.notAfter) - claims.iat * 1000;
  // The service itself bounds how long an operation lives; more than that is not its command.
  if (lifetimeMs > OPERATION_LIFETIME_MS + CLOCK_TOLERANCE_S * 1000) throw new Refusal('MALFORMED');
  if (claims.sid !== sessionId) throw new MisplacedCommand('WRONG_AGENT', claims);
  return claims;
}

/** The claims of a question about an account, held to the same as a command. */
export async function verifyInspect(
  token: string,
  sessionId: string,
  verifier: Verifier,
): Promise<InspectClaims> {
  const claims = await verify('inspect', token, verifier);
  if (claims.sid !== sessionId) throw new Refusal('WRONG_AGENT');
  return claims;
}

/** Its signature was found good before its time was looked at. */
function tooEarly(token: string, refusal: Refusal, { agentId }: Verifier): Refusal {
  const { data } = CommandClaims.safeParse(decodeJwt(token));
  return data?.agent === agentId && hasLifetime(data)
    ? new MisplacedCommand('NOT_YET_VALID', data, refusal.details)
    : refusal;
}

/** What has to do with time names both clocks, or the end of the key set: an admin has to see which. */
function refusalOf({ code, message }: TokenError): Refusal {
  return new Refusal(CODES[code], { message });
}

function hasLifetime({ iat, exp }: { readonly iat: number; readonly exp: number }): boolean {
  return exp - iat <= TOKEN_LIFETIME_S;
}

async function verify<T extends 'command' | 'inspect'>(
  kind: T,
  token: string,
  { agentId, directory, issuer, commandKeys, now }: Verifier,
): Promise<T extends 'command' ? CommandClaims : InspectClaims> {
  const claims = await verifyToken(kind, token, {
    key: commandKeys,
    now: now(),
    audience: directory,
    issuer,
  }).catch((error: unknown) => {
    throw error instanceof TokenError ? refusalOf(error) : error;
  });
  if (claims.agent !== agentId) throw new Refusal('WRONG_AGENT');
  if (!hasLifetime(claims)) throw new Refusal('MALFORMED');
  return claims as T extends 'command' ? CommandClaims : InspectClaims;
}
