import type { Baseline } from '../../protocol/account.ts';
import type { By, Operation } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { AccountReading } from '../directory/directory.ts';
import { allowsOperation, refusalFor } from './guard/guard.ts';
import type { GuardSettings } from './guard/guard-settings.ts';
import { Refusal } from './outcomes.ts';

/** Kerberos' own limit (RFC 4120): past it the domain has other troubles, and times mean nothing. */
const MAX_SKEW_MS = 5 * 60_000;

/** Why an account may not be touched, as a refusal; the same for a command and for an inspection. */
export function checkAllowed(request: { op: Operation; by: By }, guard: GuardSettings): void {
  if (!allowsOperation(request, guard)) throw new Refusal('OPERATION_NOT_ALLOWED');
}

/** Throws the guard's refusal of an account, or the clock's. */
export function checkGuard(
  account: AccountReading,
  request: { op: Operation; by: By },
  guard: GuardSettings,
): void {
  const controller = account.controller;
  if (Math.abs(account.controllerTimeMs - account.readAtMs) > MAX_SKEW_MS) {
    const message = `clocks differ: this machine ${timestamp(account.readAtMs)}, ${controller} ${timestamp(account.controllerTimeMs)}`;
    throw new Refusal('CLOCK_SKEW', { controller, message });
  }
  const refused = refusalFor(account, request, guard);
  if (refused !== undefined) throw new Refusal(refused, { controller });
}

/** Whether an account does not look any more as it did when the operation was prepared. */
export function hasMoved(baseline: Baseline, account: AccountReading): boolean {
  return (
    baseline.pwdLastSet !== account.pwdLastSet ||
    (baseline.unicodePwd !== undefined &&
      account.unicodePwd !== undefined &&
      baseline.unicodePwd.version !== account.unicodePwd.version)
  );
}
