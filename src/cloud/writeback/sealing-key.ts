import { CLOCK_TOLERANCE_S } from '../../protocol/command.ts';
import { isTrulyNamed } from '../../protocol/keys.ts';
import { bothClocks, TokenError, verifyToken } from '../../protocol/tokens.ts';
import { importPublicKey } from '../keys/import-public-key.ts';
import type { AgentRecord } from '../store/records.ts';
import { raiseAlarm } from './alarm.ts';
import type { Core } from './core.ts';

/**
 * The sealing key that an agent vouches for, if no other agent of its directory has it. Rejects with
 * `TokenError`.
 *
 * The agent does not prove that it has the private key (RFC 4211 section 4): a key for agreement
 * cannot sign, and one that claims a key which it cannot use gets secrets that it cannot open, and
 * harms only itself. But the key of another agent, claimed, would make every sealing fail.
 */
export async function takeSealingKey(
  core: Core,
  agent: AgentRecord,
  statement: string,
): Promise<Sealing> {
  if (statement === agent.sealingStatement) {
    const { sealingKey, sealingStatement, sealingSince } = agent; // verified when it was stored
    return { sealingKey, sealingStatement, sealingSince };
  }
  const now = core.clock.now();
  const sealing = await verifySealingKey(agent, statement, now);
  if (sealing.sealingKey.kid === agent.sealingKey.kid) return sealing;
  const others = await core.store.agents.list(agent.directory);
  if (
    others.some(
      ({ id, sealingKey }) => id !== agent.id && sealingKey.kid === sealing.sealingKey.kid,
    )
  ) {
    await raiseAlarm(core, agent, 'SEALING_KEY_OF_ANOTHER');
    throw new TokenError('MALFORMED', 'sealing-key token: the key belongs to another agent');
  }
  return { ...sealing, sealingReplaced: { statement: agent.sealingStatement, at: now } };
}

type Sealing = Pick<
  AgentRecord,
  'sealingKey' | 'sealingStatement' | 'sealingSince' | 'sealingReplaced'
>;

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
    throw new TokenError(
      'NOT_YET_VALID',
      `sealing-key token: from the future${bothClocks(iat, now)}`,
    );
  }
  if (!(await isTrulyNamed(key))) {
    throw new TokenError('MALFORMED', 'sealing-key token: the key goes by the name of another');
  }
  return { sealingKey: key, sealingStatement: statement, sealingSince: iat * 1000 };
}
