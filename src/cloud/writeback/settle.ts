import { decodeJwt } from 'jose';
import { factsOf } from '../../protocol/codes.ts';
import { OutcomeClaims } from '../../protocol/outcome.ts';
import type {
  AuditEntry,
  DispatchRecord,
  OperationRecord,
  OperationResult,
} from '../store/records.ts';
import type { Ending, Store } from '../store/store.ts';
import type { Core } from './core.ts';
import type { Dispatch } from './dispatch.ts';
import { plan, type Step } from './dispatch-plan.ts';
import { extendStoredTrails, linkOf } from './stored-trail.ts';

export interface Answer {
  readonly operation: OperationRecord;
  readonly dispatch: Pick<Dispatch, 'record' | 'earlier'>;
  readonly outcome: OutcomeClaims;
  readonly signed: string;
}

/** An answer with the record of its dispatch as it is then. */
type Answered = Answer & {
  readonly record: Required<Pick<DispatchRecord, Change>> & DispatchRecord;
};

type Change = 'answeredAt' | 'code' | 'answer';

/**
 * Writes verified answers down, extends the trails of their agents and ends the operations that are
 * decided by them: all in one transaction. Resolves, for each answer, with the operation if that has
 * ended.
 */
export async function settle(
  core: Core,
  answers: readonly Answer[],
): Promise<readonly (OperationRecord | undefined)[]> {
  const now = core.clock.now();
  const answered = answers.map((answer) => toAnswered(answer, now));
  const links = answered.flatMap(({ operation, outcome, signed, record }) => {
    const link = linkOf(outcome, signed, now);
    const whose = { id: record.agent, directory: operation.directory, cmd: operation.id };
    return link === undefined ? [] : [{ whose, link }];
  });
  return core.store.atomically(async (store) => {
    const endings = await decide(core, store, answered, now);
    const settled = new Set<string>();
    const ended = await store.operations.settle(
      answered.map(({ operation: { id }, record }) => {
        const { jti, answeredAt, code, answer } = record;
        const ending = settled.has(id) ? undefined : endings.get(id);
        settled.add(id);
        return { jti, answeredAt, code, answer, ending };
      }),
    );
    await extendStoredTrails({ ...core, store }, links);
    const results = answered.map(async ({ operation }) => {
      const ending = endings.get(operation.id);
      if (ending === undefined) return undefined;
      return ended.has(operation.id) ? toEnded(operation, ending) : asItIs(store, operation);
    });
    return Promise.all(results);
  });
}

function toAnswered(answer: Answer, now: number): Answered {
  const { dispatch, outcome, signed } = answer;
  const change = { answeredAt: now, code: outcome.outcome.code, answer: signed };
  return { ...answer, record: { ...dispatch.record, ...change } };
}

/** Which of the operations these answers end, and how. */
async function decide(
  core: Core,
  store: Store,
  answered: readonly Answered[],
  now: number,
): Promise<ReadonlyMap<string, Ending>> {
  const news = new Map(answered.map((each) => [each.record.jti, each]));
  const known = await core.relay.dispatches(store, [
    ...new Set(answered.map(({ operation }) => operation.id)),
  ]);
  const endings = new Map<string, Ending>();
  for (const { operation, dispatch } of answered) {
    const stored = known?.get(operation.id) ?? [...dispatch.earlier, dispatch.record];
    const dispatches = stored.map((each) => news.get(each.jti)?.record ?? each);
    const step = plan({ operation, dispatches, candidates: [], now });
    if (step.type !== 'end') continue;
    const result = toResult(step.by, news.get(step.by?.jti ?? '')?.outcome);
    endings.set(operation.id, endingOf(operation, result, now));
  }
  return endings;
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
  const ending = endingOf(operation, result, at);
  if (!(await store.operations.finish(operation.id, result, at))) return asItIs(store, operation);
  await store.audit.append(ending.entry);
  return toEnded(operation, ending);
}

/** A person closed it meanwhile. */
async function asItIs(store: Store, operation: OperationRecord): Promise<OperationRecord> {
  return (await store.operations.find(operation.id)) ?? operation;
}

function toEnded(operation: OperationRecord, { result, at }: Ending): OperationRecord {
  const { state, final } = result;
  return { ...operation, state, final, result, finishedAt: at };
}

function endingOf(operation: OperationRecord, result: OperationResult, at: number): Ending {
  const { id, directory, actor, objectGuid, op, by } = operation;
  const entry: AuditEntry = {
    at,
    directory,
    actor,
    action: `operation.${result.state}`,
    target: objectGuid,
    detail: {
      cmd: id,
      op,
      by,
      final: result.final,
      ...(result.code !== undefined && { code: result.code }),
      ...(result.agent !== undefined && { agent: result.agent }),
    },
    ...(result.signed !== undefined && { signed: result.signed }),
  };
  return { id, result, at, entry };
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
