import { randomUUID } from 'node:crypto';
import { TOKEN_LIFETIME_S } from '../../protocol/command.ts';
import { signToken } from '../../protocol/tokens.ts';
import type { Identity } from './identity.ts';

/** The token of one upgrade request: who is calling, for a minute, once. */
export function connectToken({ agentId, issuer, device }: Identity, now: number): Promise<string> {
  const iat = Math.floor(now / 1000);
  const claims = {
    iss: agentId,
    sub: agentId,
    aud: issuer,
    jti: randomUUID(),
    iat,
    exp: iat + TOKEN_LIFETIME_S,
  };
  return signToken('connect', claims, device);
}
