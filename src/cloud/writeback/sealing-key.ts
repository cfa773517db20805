import { isTrulyNamed } from '../../protocol/keys.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import { importPublicKey } from '../keys/import-public-key.ts';
import type { AgentRecord } from '../store/records.ts';

type Sealing = Pick<AgentRecord, 'sealingKey' | 'sealingStatement' | 'sealingSince'>;

/**
 * The sealing key that a device key vouches for. Rejects with `TokenError` when it does not, and
 * when the statement is older than the one that is known: a replay would bring an old key back.
 */
export async function verifySealingKey(
  agent: Pick<AgentRecord, 'deviceKey'> & Partial<Sealing>,
  statement: string,
  now: number,
): Promise<Sealing> {
  const { iat, key } = await verifyToken('sealing-key', statement, {
    key: await importPublicKey(agent.deviceKey),
    now,
    issuer: agent.deviceKey.kid,
  });
  if (!(await isTrulyNamed(key))) {
    throw new TokenError('MALFORMED', 'sealing-key token: the key goes by the name of another');
  }
  if (agent.sealingSince !== undefined && iat * 1000 < agent.sealingSince) {
    throw new TokenError('EXPIRED', 'sealing-key token: older than the one that is known');
  }
  return { sealingKey: key, sealingStatement: statement, sealingSince: iat * 1000 };
}
