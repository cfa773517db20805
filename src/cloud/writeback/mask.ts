import type { OutcomeCode } from '../../protocol/codes.ts';
import type { OperationResult } from '../store/records.ts';
import type { Caller } from './caller.ts';
import { ServiceError } from './service-error.ts';

/** What an ordinary caller cannot tell apart: not there, not ours, not allowed. */
const UNSEEN: ReadonlySet<string> = new Set<OutcomeCode>([
  'ACCOUNT_NOT_FOUND',
  'OUT_OF_SCOPE',
  'PROTECTED_ACCOUNT',
]);

/** Whether this caller gets the same answer for this code as for an account that does not exist. */
export function isUnseen(caller: Caller, code: string): boolean {
  return !caller.seesAll && UNSEEN.has(code);
}

/** The refusal as this caller may see it: accounts that must not be touched look like none. */
export function maskError(caller: Caller, error: ServiceError): ServiceError {
  return isUnseen(caller, error.code) ? new ServiceError('ACCOUNT_NOT_FOUND') : error;
}

/** The result as this caller may see it; the signed outcome would tell. */
export function maskResult(caller: Caller, result: OperationResult): OperationResult {
  if (result.code === undefined || !isUnseen(caller, result.code)) return result;
  const { state, final } = result;
  return { state, final, code: 'ACCOUNT_NOT_FOUND' };
}
