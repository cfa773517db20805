import type { CryptoKey } from 'jose';
import { commandDigest } from '../../protocol/digest.ts';
import type { OutcomeClaims } from '../../protocol/outcome.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { Dispatch } from './dispatch.ts';

export interface Expected {
  readonly dispatch: Dispatch;
  /** The device key of the agent that it was given to. */
  readonly key: CryptoKey;
  readonly now: number;
}

/**
 * The claims of an outcome that the agent signed for this dispatch, or for its operation when an
 * earlier dispatch was what it executed; undefined when it is anything else.
 */
export async function verifyOutcome(
  signed: string,
  { dispatch, key, now }: Expected,
): Promise<OutcomeClaims | undefined> {
  const { claims, record, session } = dispatch;
  let outcome: OutcomeClaims;
  try {
    outcome = await verifyToken('outcome', signed, {
      key,
      now,
      audience: session.directory,
      issuer: session.agentId,
    });
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
  if (outcome.chain === undefined) return outcome.token === record.token ? outcome : undefined;
  const isSame =
    outcome.cmd === claims.cmd &&
    outcome.op === claims.op &&
    outcome.digest === commandDigest(claims) &&
    answers(outcome, dispatch);
  return isSame ? outcome : undefined;
}

/** What became of the operation counts for every dispatch of it; that one was turned away, for that one only. */
function answers(outcome: OutcomeClaims, { record, earlier }: Dispatch): boolean {
  if (outcome.ends !== 'operation') {
    return outcome.jti === record.jti && outcome.token === record.token;
  }
  return [record, ...earlier].some(
    ({ agent, token }) => agent === record.agent && token === outcome.token,
  );
}
