import { randomUUID } from 'node:crypto';
import {
  START_WITHIN_MS,
  TOKEN_LIFETIME_S,
  WRITE_WITHIN_MS,
  type CommandClaims,
} from '../../protocol/command.ts';
import type { SealedSecret } from '../../protocol/sealed.ts';
import { secretFor } from '../../protocol/sealed.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { DispatchRecord, OperationRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';
import type { Core } from './core.ts';
import { openDispatches } from './dispatch-plan.ts';

export interface CommandParts {
  readonly session: AgentSession;
  /** What was handed over before, oldest first. */
  readonly earlier: readonly DispatchRecord[];
  /** What other operations have left in `pwdLastSet` since the baseline. */
  readonly knownPwdLastSet: readonly string[];
  /** To all recipients; undefined for an unlock. */
  readonly secret: SealedSecret | undefined;
}

type Attempts = CommandClaims['attempts'];

/** The claims of one dispatch. */
export function commandClaims(
  core: Core,
  operation: OperationRecord,
  { session, earlier, knownPwdLastSet, secret: sealed }: CommandParts,
): CommandClaims {
  const now = core.clock.now();
  const iat = Math.floor(now / 1000);
  const common = {
    iss: core.issuer,
    aud: operation.directory,
    agent: session.agentId,
    cmd: operation.id,
    jti: randomUUID(),
    sid: session.id,
    iat,
    exp: iat + TOKEN_LIFETIME_S,
    signedAt: timestamp(now),
    notAfter: timestamp(operation.notAfter),
    startWithinMs: START_WITHIN_MS,
    monotonicMs: session.agentMonotonicMs(),
    account: { objectGuid: operation.objectGuid },
    by: operation.by,
    actor: operation.actor,
    ...operation.options,
    attempts: attemptsOf(earlier, now),
    baseline: operation.baseline,
  };
  if (operation.op === 'unlock') return { ...common, op: 'unlock' };
  if (sealed === undefined) throw new TypeError('commandClaims: the secret is gone');
  const kid = operation.recipients.find(({ agent }) => agent === session.agentId)?.kid;
  const secret = kid === undefined ? undefined : secretFor(sealed, kid);
  if (secret === undefined) throw new TypeError('commandClaims: not sealed to this agent');
  const recipients = sealed.recipients.map(({ header }) => header.kid);
  const known = knownPwdLastSet.length > 0 && { knownPwdLastSet: [...knownPwdLastSet] };
  return { ...common, op: operation.op, recipients, secret, ...known };
}

/** Whose write a moved baseline may be: every agent that got the operation and never answered. */
export function attemptsOf(dispatches: readonly DispatchRecord[], now: number): Attempts {
  const byAgent = new Map<string, { from: number; until: number; controller?: string }>();
  for (const { agent, at, lostAt, controller } of openDispatches(dispatches)) {
    const before = byAgent.get(agent);
    byAgent.set(agent, {
      ...before,
      from: before?.from ?? at,
      until: (lostAt ?? now) + START_WITHIN_MS + WRITE_WITHIN_MS,
      ...(controller !== undefined && { controller }),
    });
  }
  return [...byAgent].slice(-16).map(([agent, { from, until, controller }]) => ({
    agent,
    from: timestamp(from),
    until: timestamp(until),
    ...(controller !== undefined && { controller }),
  }));
}
