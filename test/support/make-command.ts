import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import type { Baseline } from '../../src/protocol/account.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import type { PublicKey } from '../../src/protocol/keys.ts';
import { secretFor } from '../../src/protocol/sealed.ts';
import { seal } from '../../src/protocol/sealing.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import type { ScriptedService } from './scripted-service.ts';

/** The agent's current sealing key, as its hello stated it. */
export function sealingKeyOf(service: ScriptedService): PublicKey {
  const statement = service.session.hello?.sealingKey;
  if (statement === undefined) throw new Error('the agent has not said hello yet');
  return (decodeJwt(statement) as { key: PublicKey }).key; // verified by nobody: the test's own agent
}

/** The claims of a reset of this account, sealed to the agent, for the live session. */
export async function resetClaims(
  service: ScriptedService,
  objectGuid: string,
  baseline: Baseline,
  password = 'Correct-Horse-7',
): Promise<CommandClaims> {
  const key = sealingKeyOf(service);
  const cmd = randomUUID();
  const notAfter = timestamp(Date.now() + 240_000);
  const options = { unlock: true, mustChange: false };
  const account = { objectGuid };
  const common = { cmd, op: 'reset' as const, account, baseline, notAfter };
  const sealed = await seal({ password }, [key], {
    ...common,
    directory: service.directory,
    options,
  });
  const secret = secretFor(sealed, key.kid);
  if (secret === undefined) throw new Error('sealed to somebody else');
  const monotonicMs = service.session.agentMonotonicMs();
  const dispatch = { startWithinMs: 5000, signedAt: timestamp(Date.now()), monotonicMs };
  const rest = { ...dispatch, attempts: [], recipients: [key.kid], secret };
  return { ...service.envelope(), ...common, ...options, ...rest };
}
