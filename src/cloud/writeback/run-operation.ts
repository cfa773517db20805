import { onAbort } from '../../support/on-abort.ts';
import type { StopSignals } from '../../support/stop-signals.ts';
import type { OperationRecord } from '../store/records.ts';
import type { Core } from './core.ts';
import { dispatch } from './dispatch.ts';
import { plan, type Step } from './dispatch-plan.ts';
import { candidatesFor } from './routing.ts';
import { end, resultOf } from './settle.ts';

export interface RunContext {
  readonly core: Core;
  /** By account: what settles when its dispatch under way has ended. */
  readonly inFlight: Map<string, Promise<unknown>>;
}

/**
 * Hands a submitted operation (or the one of an id) over until its outcome is known, and calls
 * `onChange` whenever more is known. Resolves with it when it is final, or with undefined after
 * `drain` with the step under way: then it goes on after a restart.
 */
export async function runOperation(
  { core, inFlight }: RunContext,
  submitted: OperationRecord | string,
  onChange: () => void,
  stop: StopSignals,
): Promise<OperationRecord | undefined> {
  const id = typeof submitted === 'string' ? submitted : submitted.id;
  let known = typeof submitted === 'string' ? undefined : submitted;
  while (!stop.drain.aborted) {
    const operation = known ?? (await core.store.operations.find(id));
    if (operation === undefined || operation.final) return operation;
    const step = await takeStep({ core, inFlight }, operation, stop);
    known = await conclude(core, operation, step);
    if (step.type !== 'wait') onChange();
    if (known?.final === true) return known;
  }
  return undefined;
}

/** A step that was taken, and what it made of the operation if that ended it. */
type Taken = Step & { readonly ended?: OperationRecord | undefined };

/** The operation as the step left it, where that is known without asking the store. */
async function conclude(
  core: Core,
  operation: OperationRecord,
  step: Taken,
): Promise<OperationRecord | undefined> {
  if (step.type === 'wait' || step.type === 'dispatch') return step.ended;
  const result = resultOf(step);
  return core.store.atomically((store) => end(store, operation, result, core.clock.now()));
}

async function takeStep(
  { core, inFlight }: RunContext,
  operation: OperationRecord,
  stop: StopSignals,
): Promise<Taken> {
  const agents = await core.store.agents.list(operation.directory);
  const dispatches = await core.store.operations.dispatches(operation.id);
  const step = plan({
    operation,
    dispatches,
    candidates: candidatesFor(
      operation.objectGuid,
      core.sessions.approved(operation.directory),
      agents,
    ),
    now: core.clock.now(),
  });
  if (step.type === 'wait') await waitForChange(core, step.ms, stop.drain);
  if (step.type === 'dispatch') {
    const account = `${operation.directory}/${operation.objectGuid}`;
    const before = inFlight.get(account);
    // The agent would queue it, and a command that is not begun in time costs the session.
    if (before !== undefined) {
      await before;
      return { type: 'wait', ms: 0 };
    }
    const { session } = step.candidate;
    const under = dispatch(core, operation, { session, dispatches }, stop.abort);
    inFlight.set(account, Promise.allSettled([under]));
    const ended = await under.finally(() => inFlight.delete(account));
    return { ...step, ended };
  }
  return step;
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
