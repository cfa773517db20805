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
 * Hands a submitted operation over until its outcome is known, and calls `onChange` whenever more
 * is known. Resolves when it is final, or after `drain` with the step under way: then it goes on
 * after a restart.
 */
export async function runOperation(
  { core, inFlight }: RunContext,
  id: string,
  onChange: () => void,
  stop: StopSignals,
): Promise<void> {
  while (!stop.drain.aborted) {
    const operation = await core.store.operations.find(id);
    if (operation === undefined || operation.final) return;
    const step = await takeStep({ core, inFlight }, operation, stop);
    if (step.type === 'end' || step.type === 'unknown') {
      await core.store.atomically((store) =>
        end(store, operation, resultOf(step), core.clock.now()),
      );
    }
    if (step.type !== 'wait') onChange();
  }
}

async function takeStep(
  { core, inFlight }: RunContext,
  operation: OperationRecord,
  stop: StopSignals,
): Promise<Step> {
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
    await under.finally(() => inFlight.delete(account));
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
