import { decodeJwt } from 'jose';
import { signedHash } from '../../protocol/canonical.ts';
import { factsOf } from '../../protocol/codes.ts';
import { OutcomeClaims } from '../../protocol/outcome.ts';
import type { DispatchRecord, OperationRecord, OperationResult } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Core } from './core.ts';
import { plan, type Step } from './dispatch-plan.ts';
import { extendTrail, type TrailAlarm } from './outcome-trail.ts';

export interface Answer {
  readonly dispatch: DispatchRecord;
  /** What was handed over before it. */
  readonly earlier: readonly DispatchRecord[];
  readonly outcome: OutcomeClaims;
  readonly signed: string;
}

/**
 * Writes down a verified answer, extends the agent's trail and, where the answer decides the
 * operation, ends it: all in one transaction. Resolves with the operation if that ended it.
 */
export async function settle(
  core: Core,
  operation: OperationRecord,
  answer: Answer,
): Promise<OperationRecord | undefined> {
  const { dispatch, earlier, outcome, signed } = answer;
  const now = core.clock.now();
  const change = { answeredAt: now, code: outcome.outcome.code, answer: signed };
  const hash = await signedHash(signed);
  const { ended, alarm } = await core.store.atomically(async (store) => {
    await store.operations.updateDispatch(dispatch.jti, change);
    const dispatches = [...earlier, { ...dispatch, ...change }];
    const step = plan({ operation, dispatches, candidates: [], now });
    return {
      ended: step.type === 'end' ? await end(store, operation, toResult(step.by), now) : undefined,
      alarm: await extendStoredTrail(store, answer, { hash, now }),
    };
  });
  if (alarm !== undefined) {
    core.log.error('cloud.agent_alarm', { agent: dispatch.agent, alarm });
  }
  return ended;
}

/**
 * Ends an operation, or says for now what can be said of it, with its line in the audit. Resolves
 * with the operation as it is then.
 */
export async function end(
  store: Store,
  operation: OperationRecord,
  result: OperationResult,
  at: number,
): Promise<OperationRecord> {
  await store.operations.finish(operation.id, result, at);
  await store.audit.append({
    at,
    directory: operation.directory,
    actor: operation.actor,
    action: `operation.${result.state}`,
    target: operation.objectGuid,
    detail: {
      cmd: operation.id,
      op: operation.op,
      by: operation.by,
      final: result.final,
      ...(result.code !== undefined && { code: result.code }),
      ...(result.agent !== undefined && { agent: result.agent }),
    },
    ...(result.signed !== undefined && { signed: result.signed }),
  });
  const { state, final } = result;
  return { ...operation, state, final, result, finishedAt: at };
}

/** What an operation comes to when the plan says that it is over. */
export function resultOf(step: Extract<Step, { type: 'end' | 'unknown' }>): OperationResult {
  return step.type === 'unknown'
    ? { state: 'unknown', final: step.final, code: 'INDETERMINATE' }
    : toResult(step.by);
}

function toResult(dispatch: DispatchRecord | undefined): OperationResult {
  if (dispatch?.answer === undefined || dispatch.code === undefined) {
    return { state: 'expired', final: true };
  }
  // Verified before it was stored.
  const { outcome } = OutcomeClaims.parse(decodeJwt(dispatch.answer));
  return {
    state: factsOf(dispatch.code).status,
    final: true,
    code: dispatch.code,
    agent: dispatch.agent,
    outcome,
    signed: dispatch.answer,
  };
}

async function extendStoredTrail(
  store: Store,
  { dispatch, outcome }: Answer,
  { hash, now }: { readonly hash: string; readonly now: number },
): Promise<TrailAlarm | undefined> {
  const agent = await store.agents.find(dispatch.agent);
  if (outcome.chain === undefined || agent?.trail === undefined) return undefined;
  const { trail, alarm } = extendTrail(agent.trail, { ...outcome.chain, hash, at: now });
  await store.agents.update(agent.id, { trail });
  if (alarm === undefined) return undefined;
  await store.audit.append({
    at: now,
    directory: agent.directory,
    actor: 'passback-cloud',
    action: 'agent.alarm',
    target: agent.id,
    detail: { alarm, cmd: dispatch.operation },
  });
  return alarm;
}
