import { decodeJwt } from 'jose';
import { factsOf } from '../../protocol/codes.ts';
import { OutcomeClaims } from '../../protocol/outcome.ts';
import type { DispatchRecord, OperationRecord, OperationResult } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Core } from './core.ts';
import type { Dispatch } from './dispatch.ts';
import { plan, type Step } from './dispatch-plan.ts';
import { extendStoredTrail, linkOf } from './stored-trail.ts';

export interface Answer {
  readonly dispatch: Pick<Dispatch, 'record' | 'earlier'>;
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
  { dispatch: { record, earlier }, outcome, signed }: Answer,
): Promise<OperationRecord | undefined> {
  const now = core.clock.now();
  const change = { answeredAt: now, code: outcome.outcome.code, answer: signed };
  const answered = { ...record, ...change };
  const link = linkOf(outcome, signed, now);
  const whose = { id: record.agent, directory: operation.directory, cmd: operation.id };
  return core.store.atomically(async (store) => {
    const known = await core.relay.dispatches(store, operation.id);
    const dispatches = known?.map((each) => (each.jti === record.jti ? answered : each)) ?? [
      ...earlier,
      answered,
    ];
    const step = plan({ operation, dispatches, candidates: [], now });
    await store.operations.updateDispatch(record.jti, change);
    const ended =
      step.type === 'end'
        ? await end(
            store,
            operation,
            toResult(step.by, step.by === answered ? outcome : undefined),
            now,
          )
        : undefined;
    if (link !== undefined) await extendStoredTrail({ ...core, store }, whose, link);
    return ended;
  });
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
  if (!(await store.operations.finish(operation.id, result, at))) {
    return (await store.operations.find(operation.id)) ?? operation; // a person closed it meanwhile
  }
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

/** `outcome` spares parsing the answer again. */
function toResult(dispatch: DispatchRecord | undefined, outcome?: OutcomeClaims): OperationResult {
  if (dispatch?.answer === undefined || dispatch.code === undefined) {
    return { state: 'expired', final: true };
  }
  return {
    state: factsOf(dispatch.code).status,
    final: true,
    code: dispatch.code,
    agent: dispatch.agent,
    // Verified before it was stored.
    outcome: (outcome ?? OutcomeClaims.parse(decodeJwt(dispatch.answer))).outcome,
    signed: dispatch.answer,
  };
}
