import { ResultCodeError } from 'ldapts';
import { toLdapChanges } from './account-changes.ts';
import { ConnectionError } from './connection-error.ts';
import type { Controller } from './controller.ts';
import { DirectoryError, type AccountChange, type AppliedChange } from './directory.ts';
import { guidDn } from './guid.ts';
import { PolicyHintsControl } from './policy-hints.ts';
import { readPwdLastSet, refusalOn, type Asking } from './queries.ts';

/** How long an applied change waits for its `pwdLastSet`. */
const READ_BACK_MS = 2_000;

export interface AccountWrite {
  readonly objectGuid: string;
  readonly change: AccountChange;
  readonly writeMs: number;
}

/**
 * Sends one modify, once, and reads when the password was set. Rejects with a `ConnectionError`
 * that says with `sent` whether the modify may have arrived, or with the controller's refusal.
 */
export async function writeAccount(
  controller: Controller,
  asking: Asking,
  { objectGuid, change, writeMs }: AccountWrite,
): Promise<AppliedChange> {
  const { connection, signal } = asking;
  const changes = toLdapChanges(change);
  const hints = await policyHints(controller, asking, change);
  const controls = hints === undefined ? [] : [hints];
  try {
    await connection.modify(guidDn(objectGuid), { changes, controls }, { ms: writeMs, signal });
  } catch (error) {
    if (error instanceof ResultCodeError) throw refusalOn(asking, error, change.op);
    throw error;
  }
  const applied = { historyEnforced: change.op === 'change' || hints !== undefined };
  const pwdLastSet = await readBack(asking, objectGuid);
  return pwdLastSet === undefined ? applied : { ...applied, pwdLastSet };
}

/** The control that has to go with the change, as far as this controller knows it. */
async function policyHints(
  controller: Controller,
  asking: Asking,
  change: AccountChange,
): Promise<PolicyHintsControl | undefined> {
  if (change.op !== 'reset' || change.policyHints === 'off') return undefined;
  const { policyHints: oid } = await beforehand(controller.facts.profile(asking));
  if (oid !== undefined) return new PolicyHintsControl(oid);
  if (change.policyHints === 'prefer') return undefined;
  throw withoutPolicyHints(controller.name);
}

/** What a controller without the control is to a reset that requires it. */
export function withoutPolicyHints(controller: string): DirectoryError {
  return new DirectoryError(
    'DIRECTORY_CONFIG',
    `${controller} does not know the policy-hints control, and the configuration demands the password history: set guard.policyHints to prefer or off`,
    { controller },
  );
}

/** What was lost with a question before the modify is that question, and not the modify. */
async function beforehand<T>(question: Promise<T>): Promise<T> {
  try {
    return await question;
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    const { stage, message, late } = error;
    throw new ConnectionError(stage, message, { sent: false, late, cause: error });
  }
}

/** The write is done: whatever happens here must not look as if it were not. */
async function readBack(asking: Asking, objectGuid: string): Promise<string | undefined> {
  try {
    return await readPwdLastSet({ ...asking, ms: READ_BACK_MS }, objectGuid);
  } catch (error) {
    if (error instanceof ConnectionError || error instanceof DirectoryError) return undefined;
    throw error;
  }
}
