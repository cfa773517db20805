import type { OperationRecord, OperationResult } from '../store/records.ts';
import type { Caller } from './caller.ts';
import type { Core } from './core.ts';
import { ServiceError } from './service-error.ts';

const CLOSED: OperationResult = { state: 'unknown', final: true, code: 'INDETERMINATE' };

/**
 * Ends, on a person's word, an operation of which no agent that had it has said what became of it: it
 * stays unknown, and nobody is asked any more. Idempotent. Rejects with `ServiceError` for any other.
 */
export async function closeOperation(
  core: Core,
  caller: Pick<Caller, 'directory' | 'actor'>,
  id: string,
): Promise<OperationRecord> {
  const at = core.clock.now();
  return core.store.atomically(async (store) => {
    const operation = await store.operations.find(id);
    if (operation?.directory !== caller.directory) {
      throw new ServiceError('UNKNOWN_OPERATION', { detail: 'there is no such operation' });
    }
    const { state, objectGuid, op } = operation;
    if (state !== 'unknown') {
      throw new ServiceError('OPERATION_CONFLICT', {
        detail: `only an operation of unknown outcome can be closed; this one is ${state}`,
      });
    }
    if (!(await store.operations.finish(id, CLOSED, at))) return operation;
    await store.audit.append({
      at,
      directory: caller.directory,
      actor: caller.actor,
      action: 'operation.closed',
      target: objectGuid,
      detail: { cmd: id, op },
    });
    return { ...operation, final: true, result: CLOSED, finishedAt: at };
  });
}
