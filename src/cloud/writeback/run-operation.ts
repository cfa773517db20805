import { onAbort } from '../../support/on-abort.ts';
import type { StopSignals } from '../../support/stop-signals.ts';
import type { OperationRecord } from '../store/records.ts';
import type { Core } from './core.ts';
import { dispatch } from './dispatch.ts';
import { plan, type Step } from './dispatch-plan.ts';
import { candidatesFor } from './routing.ts';
import { end, resultOf } from './settle.ts';

/**
 * Hands a submitted operation over until its outcome is known, and calls `onChange` whenever more
 * is known. Resolves when it is final, or after `drain` with the step under way: then it goes on
 * after a restart.
 */
export async function runOperation(
  core: Core,
  id: string,
  onChange: () => void,
  stop: StopSignals,
): Promise<void> {
  while (!stop.drain.aborted) {
    const operation = await core.store.operations.find(id);
    if (operation === undefined || operation.final) return;
    const step = await takeStep(core, operation, stop);
    if (step.type === 'end' || step.type === 'unknown') {
      await core.store.atomically((store) =>
        end(store, operation, resultOf(step), core.clock.now()),
      );
    }
    if (step.type !== 'wait') onChange();
  }
}

async function takeStep(core: Core, operation: OperationRecord, stop: StopSignals): Promise<Step> {
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
    await dispatch(core, operation, { session: step.candidate.session, dispatches }, stop.abort);
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
