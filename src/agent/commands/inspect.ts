import type { AccountState } from '../../protocol/account.ts';
import type { InspectClaims } from '../../protocol/command.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { signToken, type SigningKey } from '../../protocol/tokens.ts';
import type { Logger } from '../../support/logger.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type { AccountReading } from '../directory/directory.ts';
import { checkAllowed, checkGuard } from './checks.ts';
import { READ_WITHIN_MS } from './find-out.ts';
import type { Executor } from './job.ts';
import { Refusal, toOutcome } from './outcomes.ts';
import type { Questions } from './questions.ts';
import type { Toggle } from './toggle.ts';
import { verifyInspect, type Verifier } from './verify.ts';

export interface Inspector {
  readonly verifier: Verifier;
  readonly executor: Executor;
  readonly toggle: Toggle;
  readonly questions: Questions;
  readonly device: SigningKey;
  readonly log: Logger;
  readonly abort: AbortSignal;
}

/** The service does not ask this now, if it ever did: there is nobody to answer. */
export class NoQuestion extends Error {
  override readonly name = 'NoQuestion';
  readonly code: string;

  constructor(code: string, why: string) {
    super(`the question is not one of the service's now: ${why}`);
    this.code = code;
  }
}

/**
 * The signed answer to a question about an account: its state, or why the operation would be
 * refused; never both, so that what is out of scope stays unseen. Each question is answered once. Rejects with
 * `NoQuestion`.
 */
export async function inspect(
  request: string,
  sessionId: string,
  inspector: Inspector,
): Promise<string> {
  const { verifier, executor, questions, device, log } = inspector;
  const receivedAt = executor.clock.monotonic();
  const claims = await verifyInspect(request, sessionId, verifier).catch((error: unknown) => {
    if (!(error instanceof Refusal)) throw error;
    throw new NoQuestion(error.code, error.details.message ?? error.code);
  });
  if (!questions.isNew(claims)) throw new NoQuestion('REPLAYED', 'it was asked before');
  const answer = await look(claims, inspector).catch((error: unknown) => ({
    verdict: toOutcome(error, executor.clock.monotonic() - receivedAt),
  }));
  log.info('account.inspected', {
    op: claims.op,
    by: claims.by,
    actor: claims.actor,
    code: 'verdict' in answer ? answer.verdict.code : 'ALLOWED',
  });
  const iat = Math.floor(executor.clock.now() / 1000);
  const base = { iss: verifier.agentId, aud: verifier.directory, iat, jti: claims.jti };
  return signToken('inspection', { ...base, ...answer }, device);
}

async function look(
  claims: InspectClaims,
  { executor, toggle, questions, abort }: Inspector,
): Promise<{ account: AccountState } | { verdict: Outcome }> {
  using _taken = questions.take(claims);
  checkAllowed(claims, executor.guard);
  if (!toggle.state.enabled) throw new Refusal('PAUSED');
  await executor.admission.refresh();
  executor.admission.takeInspection(claims);
  const account = await withDeadline(READ_WITHIN_MS, abort, (within) =>
    executor.directory.read(claims.account, within),
  );
  checkGuard(account, claims, executor.guard);
  executor.admission.checkAccount(claims, account);
  return { account: stateOf(account) };
}

function stateOf(account: AccountReading): AccountState {
  const { objectGuid, pwdLastSet, lockoutTime, unicodePwd, controller } = account;
  const baseline = {
    pwdLastSet,
    lockoutTime,
    controller,
    controllerTime: timestamp(account.controllerTimeMs),
  };
  return {
    objectGuid,
    baseline: unicodePwd === undefined ? baseline : { ...baseline, unicodePwd },
    locked: account.locked,
    disabled: account.disabled,
    expired: account.expired,
    mustChange: account.mustChange,
    passwordNeverExpires: account.passwordNeverExpires,
    policy: account.policy,
  };
}
