import { onAbort } from '../../support/on-abort.ts';
import type { Round } from '../../support/rounds.ts';
import type { StopSignals } from '../../support/stop-signals.ts';
import type { OperationRecord } from '../store/records.ts';
import type { Core } from './core.ts';
import { carryOut, makeDispatch, type Dispatch } from './dispatch.ts';
import { openDispatches, plan, type Step } from './dispatch-plan.ts';
import { NotOurs } from './relay.ts';
import { inOrder } from './routing.ts';
import { unwrapSecret } from './secret-at-rest.ts';
import { end, resultOf } from './settle.ts';
import type { Turn, Turns } from './turns.ts';

export interface RunContext {
  readonly core: Core;
  readonly turns: Turns;
  /** Turns with each step. */
  readonly round: Round;
  /** Hears what the operation has become: its outcome, or that there is none for now. */
  readonly onChange: (operation: OperationRecord) => void;
}

/** A dispatch that is durable already, with its account's turn. */
export interface UnderWay {
  readonly dispatch: Dispatch;
  readonly turn: Turn;
}

export interface Run {
  readonly id: string;
  readonly known?: OperationRecord;
  readonly first?: UnderWay | undefined;
  /** An attempt to run it failed, and nobody waits any more for an answer to what was handed over. */
  readonly isAgain?: boolean;
}

/**
 * Hands a submitted operation over until its outcome is known. Resolves with it when it is final,
 * or with undefined after `drain` with the step under way: then it goes on after a restart. Rejects
 * with `NotOurs` when another node runs it.
 */
export async function runOperation(
  context: RunContext,
  { id, known, first, isAgain = false }: Run,
  stop: StopSignals,
): Promise<OperationRecord | undefined> {
  let operation = known;
  let underWay = first;
  let mustLose = isAgain;
  for (;;) {
    context.round.turned();
    operation ??= await context.core.store.operations.find(id);
    if (operation === undefined) return undefined;
    if (operation.final) return operation;
    if (underWay === undefined && stop.drain.aborted) return undefined;
    const changed: OperationRecord | undefined =
      underWay === undefined
        ? await takeOwnStep(context, operation, mustLose ? loseDispatches : takeStep, stop)
        : await finish(context, operation, underWay, stop.abort);
    if (changed !== undefined) context.onChange(changed);
    underWay = undefined;
    mustLose = false;
    operation = changed;
  }
}

/** The step that would be first for an operation that nobody has got yet: whom to give it to, if anybody. */
export function firstStep(core: Core, operation: OperationRecord): Step {
  return nextStep(core, operation, []);
}

function nextStep(
  { sessions, clock }: Core,
  operation: OperationRecord,
  dispatches: Dispatch['earlier'],
): Step {
  const candidates = inOrder(operation.objectGuid, sessions.approved(operation.directory));
  return plan({ operation, dispatches, candidates, now: clock.now() });
}

type TakeStep = typeof takeStep;

/**
 * The operation may have ended meanwhile, also by a commit that nobody heard of, or another node may
 * run it now: then this rejects with `NotOurs`.
 */
async function takeOwnStep(
  context: RunContext,
  operation: OperationRecord,
  step: TakeStep,
  stop: StopSignals,
): Promise<OperationRecord | undefined> {
  try {
    return await step(context, operation, stop);
  } catch (error) {
    if (!(error instanceof NotOurs)) throw error;
    const now = await context.core.store.operations.find(operation.id);
    if (now?.final === true) return now;
    throw error;
  }
}

/** Resolves with the operation if the step changed it. */
async function takeStep(
  context: RunContext,
  operation: OperationRecord,
  stop: StopSignals,
): Promise<OperationRecord | undefined> {
  const { core, turns } = context;
  const earlier = await core.store.operations.dispatches(operation.id);
  if (openDispatches(earlier).length === 0) turns.release(operation);
  const step = nextStep(core, operation, earlier);
  if (step.type === 'wait') {
    context.round.waits(step.ms);
    await waitForChange(core, step.ms, stop.drain);
    return undefined;
  }
  if (step.type !== 'dispatch') {
    const result = resultOf(step);
    const ended = await core.relay.asRunner(operation, (store) =>
      end(store, operation, result, core.clock.now()),
    );
    core.relay.announce(ended.id);
    return ended;
  }
  using turn = turns.take(operation);
  if (turn === undefined) {
    await turns.wait(operation, stop.drain);
    return undefined;
  }
  const secret = await unwrapSecret(core, operation);
  const dispatch = await makeDispatch(core, operation, { session: step.session, earlier, secret });
  const record = await core.relay.toRecord(dispatch);
  await core.relay.asRunner(operation, (store) => store.operations.addDispatch(record));
  turn.keep();
  return await carryOut(core, operation, dispatch, stop.abort);
}

const loseDispatches: TakeStep = async ({ core: { relay, clock } }, operation) => {
  await relay.asRunner(operation, (inside) =>
    inside.operations.loseDispatches(clock.now(), operation.id),
  );
  return undefined;
};

async function finish(
  { core }: RunContext,
  operation: OperationRecord,
  { dispatch, turn }: UnderWay,
  signal: AbortSignal,
): Promise<OperationRecord | undefined> {
  using own = turn;
  own.keep();
  return await carryOut(core, operation, dispatch, signal);
}

async function waitForChange(
  { clock, sessions }: Core,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const wake = new AbortController();
  const stop = (): void => {
    wake.abort();
  };
  const offs = [sessions.onChange(stop), onAbort(signal, stop)];
  try {
    await clock.sleep(ms, wake.signal);
  } finally {
    for (const off of offs) off();
  }
}
