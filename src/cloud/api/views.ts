import type { z } from '@hono/zod-openapi';
import { factsOf } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { AuditRecord, Moment, OperationRecord, Toggle } from '../store/records.ts';
import type { Caller } from '../writeback/caller.ts';
import type { AgentView as Agent } from '../writeback/connectivity.ts';
import { maskResult } from '../writeback/mask.ts';
import { isPaused } from '../writeback/pause.ts';
import type { Prepared } from '../writeback/prepare.ts';
import type {
  AgentView,
  AuditView,
  OperationView,
  PreparedOperation,
  ToggleView,
} from './bodies.ts';

/** A prepared operation as its caller gets it. */
export function viewPrepared(prepared: Prepared): z.infer<typeof PreparedOperation> {
  const { operation, recipients, aad, policy } = prepared;
  const { id, objectGuid, op, options, baseline, notAfter } = operation;
  return {
    operation: id,
    objectGuid,
    op,
    options,
    baseline,
    notAfter: timestamp(notAfter),
    recipients: [...recipients],
    aad,
    policy,
  };
}

/** An operation as this caller may see it. */
export function viewOperation(
  caller: Caller,
  operation: OperationRecord,
): z.infer<typeof OperationView> {
  const { id, op, objectGuid, state, final, createdAt, notAfter, finishedAt } = operation;
  const result = operation.result && maskResult(caller, operation.result);
  return {
    operation: id,
    status: state,
    final,
    op,
    objectGuid,
    createdAt: timestamp(createdAt),
    notAfter: timestamp(notAfter),
    ...(finishedAt !== undefined && { finishedAt: timestamp(finishedAt) }),
    ...(result?.code !== undefined && viewCode(result.code, result.outcome?.action)),
    ...(result?.agent !== undefined && { agent: result.agent }),
    ...(result?.outcome !== undefined && { outcome: result.outcome }),
    ...(result?.signed !== undefined && { signedOutcome: result.signed }),
  };
}

function viewCode(
  code: Parameters<typeof factsOf>[0],
  said: string | undefined,
): Partial<z.infer<typeof OperationView>> {
  const { retry, meaning, action } = factsOf(code);
  return { code, meaning, action: said ?? action, ...(retry !== undefined && { retry }) };
}

/** The toggle as it holds now. */
export function viewToggle(toggle: Toggle, now: Moment): z.infer<typeof ToggleView> {
  const { version, reason, by, at, until } = toggle;
  return {
    enabled: !isPaused(toggle, now),
    version,
    reason,
    by,
    at: timestamp(at),
    ...(until !== undefined && { until: timestamp(until) }),
  };
}

export function viewAgent({ agent, connected, outdated }: Agent): z.infer<typeof AgentView> {
  const { id, name, state, version, deviceKey, sealingKey, sealingSince } = agent;
  const { enrolledAt, decidedAt, decidedBy, seenAt, guard, report, turnedAway, disabled } = agent;
  return {
    id,
    name,
    state,
    connected,
    outdated,
    fingerprint: deviceKey.kid,
    version,
    enrolledAt: timestamp(enrolledAt),
    ...(decidedAt !== undefined && { decidedAt: timestamp(decidedAt) }),
    ...(decidedBy !== undefined && { decidedBy }),
    ...(seenAt !== undefined && { seenAt: timestamp(seenAt) }),
    sealingKey: { kid: sealingKey.kid, since: timestamp(sealingSince) },
    ...(guard !== undefined && { guard }),
    ...(report !== undefined && { report }),
    ...(disabled !== undefined && { disabled: { ...disabled, at: timestamp(disabled.at) } }),
    ...(turnedAway !== undefined && {
      turnedAway: { ...turnedAway, at: timestamp(turnedAway.at) },
    }),
  };
}

export function viewAudit(entry: AuditRecord): z.infer<typeof AuditView>['entries'][number] {
  const { seq, at, actor, action, target, detail, signed } = entry;
  return {
    seq,
    at: timestamp(at),
    actor,
    action,
    ...(target !== undefined && { target }),
    ...(detail !== undefined && { detail: { ...detail } }),
    ...(signed !== undefined && { signedOutcome: signed }),
  };
}
