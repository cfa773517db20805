import { errors, jwtVerify, SignJWT, type CryptoKey, type JWTVerifyGetKey } from 'jose';
import type { z } from 'zod';
import {
  CLOCK_TOLERANCE_S,
  CommandClaims,
  InspectClaims,
  TOKEN_LIFETIME_S,
  ToggleClaims,
} from './command.ts';
import { EnrollRequestClaims, EnrollResponseClaims } from './enrollment.ts';
import { KeySetClaims, SealingKeyClaims } from './keys.ts';
import { InspectionClaims, OutcomeClaims } from './outcome.ts';
import { timestamp } from './shapes.ts';
import { ConnectClaims, HelloClaims, StatusClaims } from './status.ts';

interface TokenKind {
  readonly schema: z.ZodType;
  readonly alg: 'ES256' | 'HS256';
  /** Oldest `iat` that is taken; absent for statements that hold until a newer one. */
  readonly maxAgeS?: number;
}

/** Every token of the protocol; the JOSE `typ` is `passback-<name>+jwt`, so none passes for another. */
export const TOKENS = {
  command: { schema: CommandClaims, alg: 'ES256', maxAgeS: TOKEN_LIFETIME_S },
  inspect: { schema: InspectClaims, alg: 'ES256', maxAgeS: TOKEN_LIFETIME_S },
  writeback: { schema: ToggleClaims, alg: 'ES256' },
  'key-set': { schema: KeySetClaims, alg: 'ES256' },
  'sealing-key': { schema: SealingKeyClaims, alg: 'ES256' },
  outcome: { schema: OutcomeClaims, alg: 'ES256' },
  inspection: { schema: InspectionClaims, alg: 'ES256', maxAgeS: TOKEN_LIFETIME_S },
  connect: { schema: ConnectClaims, alg: 'ES256', maxAgeS: TOKEN_LIFETIME_S },
  hello: { schema: HelloClaims, alg: 'ES256', maxAgeS: TOKEN_LIFETIME_S },
  status: { schema: StatusClaims, alg: 'ES256', maxAgeS: TOKEN_LIFETIME_S },
  'enroll-request': { schema: EnrollRequestClaims, alg: 'HS256', maxAgeS: TOKEN_LIFETIME_S },
  'enroll-response': { schema: EnrollResponseClaims, alg: 'HS256', maxAgeS: TOKEN_LIFETIME_S },
} as const satisfies Record<string, TokenKind>;

export type TokenName = keyof typeof TOKENS;
export type Claims<T extends TokenName> = z.infer<(typeof TOKENS)[T]['schema']>;

export type TokenErrorCode =
  'BAD_SIGNATURE' | 'MALFORMED' | 'EXPIRED' | 'NOT_YET_VALID' | 'WRONG_AUDIENCE' | 'WRONG_ISSUER';

export class TokenError extends Error {
  override readonly name = 'TokenError';
  readonly code: TokenErrorCode;
  readonly retryable = false;

  constructor(code: TokenErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A private key (or MAC secret) and the name that its public half is known by. */
export interface SigningKey {
  readonly kid: string;
  readonly key: CryptoKey | Uint8Array;
}

/**
 * Signs claims as a token of the named kind. The claims are checked first: we never emit what we
 * would refuse. Rejects with a `TypeError` that names the wrong claims and quotes none of them.
 */
export async function signToken<T extends TokenName>(
  name: T,
  claims: Claims<T>,
  { key, kid }: SigningKey,
): Promise<string> {
  const { schema, alg } = TOKENS[name];
  const parsed = schema.safeParse(claims);
  if (!parsed.success) throw new TypeError(`${name} token: unexpected ${where(parsed.error)}`);
  return new SignJWT({ ...(parsed.data as Record<string, unknown>) })
    .setProtectedHeader({ alg, typ: typOf(name), kid })
    .sign(key);
}

export interface Expectation {
  /** One public key or MAC secret, or a look-up by the token's `kid` (jose's `createLocalJWKSet`). */
  readonly key: CryptoKey | Uint8Array | JWTVerifyGetKey;
  /** Epoch milliseconds on this side's clock. */
  readonly now: number;
  readonly audience?: string;
  readonly issuer?: string;
}

/**
 * The claims of a token of the named kind whose signature, type, shape, audience, issuer and times
 * (30 s tolerance) all hold. Rejects with `TokenError`, which never quotes the token.
 */
export async function verifyToken<T extends TokenName>(
  name: T,
  token: string,
  { key, now, audience, issuer }: Expectation,
): Promise<Claims<T>> {
  const { schema, alg, ...rest }: TokenKind = TOKENS[name];
  const options = {
    algorithms: [alg],
    typ: typOf(name),
    currentDate: new Date(now),
    clockTolerance: CLOCK_TOLERANCE_S,
    ...(audience !== undefined && { audience }),
    ...(issuer !== undefined && { issuer }),
    ...(rest.maxAgeS !== undefined && { maxTokenAge: rest.maxAgeS }),
  };
  let payload: unknown;
  try {
    // jose's overloads part key from look-up; its implementation takes either.
    ({ payload } = await jwtVerify(token, key as CryptoKey, options));
  } catch (error) {
    throw toTokenError(name, error, now);
  }
  const parsed = schema.safeParse(payload);
  if (!parsed.success) {
    throw new TokenError('MALFORMED', `${name} token: unexpected ${where(parsed.error)}`);
  }
  return parsed.data as Claims<T>;
}

/** The claims that are wrong. Names of claims only: further down stand keys that the sender chose. */
function where({ issues }: z.ZodError): string {
  return [...new Set(issues.map(({ path }) => String(path[0] ?? 'members')))].join(', ');
}

/** The JOSE `typ` of a token kind. */
export function typOf(name: TokenName): string {
  return `passback-${name}+jwt`;
}

function toTokenError(name: TokenName, error: unknown, now: number): TokenError {
  if (error instanceof TokenError) return error; // a look-up of ours that knows better
  if (error instanceof errors.JWTExpired) {
    return new TokenError('EXPIRED', `${name} token: expired${bothClocks(error.payload.iat, now)}`);
  }
  if (error instanceof errors.JWTClaimValidationFailed) return claimError(name, error, now);
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return new TokenError('MALFORMED', `${name} token: not a JWT`);
  }
  if (error instanceof errors.JOSEError) {
    return new TokenError(
      'BAD_SIGNATURE',
      `${name} token: ${SIGNATURE_PROBLEMS[error.code] ?? 'not acceptable'}`,
    );
  }
  throw error;
}

function claimError(
  name: TokenName,
  { claim, reason, payload }: errors.JWTClaimValidationFailed,
  now: number,
): TokenError {
  switch (reason === 'check_failed' ? claim : '') {
    case 'aud':
      return new TokenError('WRONG_AUDIENCE', `${name} token: for another audience`);
    case 'iss':
      return new TokenError('WRONG_ISSUER', `${name} token: from another issuer`);
    case 'iat':
    case 'nbf':
      return new TokenError(
        'NOT_YET_VALID',
        `${name} token: from the future${bothClocks(payload.iat, now)}`,
      );
    default:
      return new TokenError('MALFORMED', `${name} token: unexpected ${claim}`);
  }
}

/** Names both clocks, because either may be the wrong one. `iat` is of a token under a good signature. */
export function bothClocks(iat: unknown, now: number): string {
  if (typeof iat !== 'number' || !(Math.abs(iat) < MAX_SECONDS)) return '';
  return `; made at ${timestamp(iat * 1000)} by its sender's clock, here it is ${timestamp(now)}`;
}

/** As far as a `Date` reaches. */
const MAX_SECONDS = 8.64e12;

const SIGNATURE_PROBLEMS: Partial<Record<string, string>> = {
  ERR_JWKS_NO_MATCHING_KEY: 'signed by a key that is not pinned',
  ERR_JOSE_ALG_NOT_ALLOWED: 'signed with an algorithm that is not allowed',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'the signature does not match',
};
