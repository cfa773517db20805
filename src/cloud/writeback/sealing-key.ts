import { CLOCK_TOLERANCE_S } from '../../protocol/command.ts';
import { isTrulyNamed } from '../../protocol/keys.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import { importPublicKey } from '../keys/import-public-key.ts';
import type { AgentRecord } from '../store/records.ts';

type Sealing = Pick<AgentRecord, 'sealingKey' | 'sealingStatement' | 'sealingSince'>;

/** The sealing key that a device key vouches for. Rejects with `TokenError` when it does not. */
export async function verifySealingKey(
  { deviceKey }: Pick<AgentRecord, 'deviceKey'>,
  statement: string,
  now: number,
): Promise<Sealing> {
  const { iat, key } = await verifyToken('sealing-key', statement, {
    key: await importPublicKey(deviceKey),
    now,
    issuer: deviceKey.kid,
  });
  // A statement has no end of its own, so nothing else bounds when it says that it was made.
  if (iat * 1000 > now + CLOCK_TOLERANCE_S * 1000) {
    throw new TokenError('NOT_YET_VALID', 'sealing-key token: from the future');
  }
  if (!(await isTrulyNamed(key))) {
    throw new TokenError('MALFORMED', 'sealing-key token: the key goes by the name of another');
  }
  return { sealingKey: key, sealingStatement: statement, sealingSince: iat * 1000 };
}
