import type { CryptoKey } from 'jose';
import { commandDigest } from '../../protocol/canonical.ts';
import { factsOf } from '../../protocol/codes.ts';
import type { CommandClaims } from '../../protocol/command.ts';
import type { OutcomeClaims } from '../../protocol/outcome.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { AgentRecord, DispatchRecord } from '../store/records.ts';

export interface Expected {
  readonly agent: AgentRecord;
  /** Its device key. */
  readonly key: CryptoKey;
  readonly claims: CommandClaims;
  /** `signedHash` of the token that is being answered. */
  readonly token: string;
  readonly dispatches: readonly DispatchRecord[];
  readonly now: number;
}

/**
 * The claims of an outcome that the agent signed for this very operation; undefined when it is
 * anything else. An answer from the journal names the token that it answered first.
 */
export async function verifyOutcome(
  signed: string,
  expected: Expected,
): Promise<OutcomeClaims | undefined> {
  const { agent, claims, token } = expected;
  let outcome: OutcomeClaims;
  try {
    outcome = await verifyToken('outcome', signed, {
      key: expected.key,
      now: expected.now,
      audience: agent.directory,
      issuer: agent.id,
    });
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
  if (outcome.chain === undefined) return outcome.token === token ? outcome : undefined;
  const earlier = expected.dispatches.filter((dispatch) => dispatch.agent === agent.id);
  const answersOurs = [token, ...earlier.map((dispatch) => dispatch.token)].includes(outcome.token);
  const isSame = outcome.cmd === claims.cmd && outcome.op === claims.op;
  // Such a refusal ends its own dispatch only: an earlier one says nothing of what became of this.
  if (factsOf(outcome.outcome.code).redispatch === true && outcome.jti !== claims.jti) {
    return undefined;
  }
  return answersOurs && isSame && outcome.digest === (await commandDigest(claims))
    ? outcome
    : undefined;
}
