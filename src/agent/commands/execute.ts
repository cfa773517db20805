import { setImmediate as nextTurn } from 'node:timers/promises';
import { WRITE_WITHIN_MS } from '../../protocol/command.ts';
import type { Effect, Outcome } from '../../protocol/outcome.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import {
  DirectoryError,
  type AccountChange,
  type AccountReading,
  type AppliedChange,
} from '../directory/directory.ts';
import { withoutPolicyHints } from '../directory/account-write.ts';
import { changeOf, mustChangeOf, planned } from './account-change.ts';
import { approach, readForWrite, type Approached } from './approach.ts';
import { checkAllowed } from './checks.ts';
import { effectOf } from './effect.ts';
import {
  leftToBegin,
  stopped,
  tookMs,
  type Execution,
  type Executor,
  type Go,
  type Job,
  type PlannedIntent,
  type Steps,
} from './job.ts';
import type { Intent } from './journal-records.ts';
import { outcome, Refusal, Unresolved, writtenAgain } from './outcomes.ts';
import { expectedToBreak, explainRefusal } from './password-rules.ts';
import { resume } from './resume.ts';

/**
 * Carries a verified command out: everything that can refuse it first, then the intent, then one
 * write; after a lost answer, here or before a restart, what is needed to know what became of it.
 * Resolves for every expected failure. Rejects with `Unresolved` when nothing may be said yet, else
 * only for a bug or a journal that fails.
 */
export async function execute(
  execution: Execution,
  executor: Executor,
  steps: Steps,
  signal: AbortSignal,
): Promise<Outcome> {
  let opened: Promise<AccountChange> | undefined;
  const change = () => (opened ??= changeOf(execution.claims, executor));
  const job: Job = { ...execution, executor, steps, change, signal };
  let mayBeMade = job.open !== undefined;
  try {
    let next = job.open === undefined ? await begin(job) : await resume(job, job.open);
    while ('account' in next) {
      ({ mayBeMade } = next);
      const ended = await write(job, next);
      if ('code' in ended) return ended;
      executor.admission.unheard(job.claims);
      mayBeMade = true;
      next = await resume(job, ended);
    }
    return next;
  } catch (error) {
    return stopped(job, error, mayBeMade);
  }
}

async function begin(job: Job): Promise<Outcome | Go> {
  const { claims, executor, signal, givenAt, steps } = job;
  checkAllowed(claims, executor.guard);
  const leftMs = leftToBegin(job, executor.clock);
  if (leftMs <= 0) throw new Refusal('BUSY');
  executor.admission.take(claims);
  const found = await withDeadline(leftMs, signal, async (within) => {
    // Neither needs the other; a secret that does not open is the refusal, whatever is read.
    const reading = readForWrite(claims, executor.directory, within);
    reading.catch(() => undefined);
    await nextTurn(); // the question leaves before this thread is busy with the secret
    await job.change();
    return approach(job, reading);
  });
  await steps.seen(found.account);
  if (claims.op === 'change') executor.admission.checkChange(found.account);
  if (found.type === 'free') {
    return { ...found, decidedAt: givenAt, mayBeMade: false };
  }
  return byAnother(job, found);
}

/** Another agent had the operation before, and the account tells what it did. */
function byAnother(job: Job, { type, account }: Approached): Outcome {
  const { claims } = job;
  const { controller, pwdLastSet } = account;
  if (type === 'unknown') return outcome('INDETERMINATE', tookMs(job), { controller });
  const done = { op: claims.op, unlock: claims.unlock, mustChange: mustChangeOf(claims, account) };
  // Whether it was locked before, and what went with a reset, nobody here saw.
  const seen = { pwdLastSet, historyEnforced: claims.op === 'change' };
  const effect = effectOf(done, seen, { locked: false });
  return outcome('APPLIED', tookMs(job), { controller, inferred: true, effect });
}

/** Intent, then the write. Answers the intent when what became of the write was never heard. */
async function write(job: Job, go: Go): Promise<Outcome | Intent> {
  const { claims, executor, steps, signal } = job;
  const { account } = go;
  const change = await job.change();
  const mustChange = mustChangeOf(claims, account);
  if (executor.guard.dryRun) throw rehearsed(change, account);
  const historyEnforced = isHeldToHistory(change, account);
  const intent = await steps.intend(intentOf(job, go, { mustChange, historyEnforced }));
  checkStart(job, go);
  steps.began(account.controller);
  try {
    const applied = await apply(executor, planned(change, mustChange), account, signal);
    const { controller } = account;
    return outcome('APPLIED', tookMs(job), {
      controller,
      ...(go.reapplied && writtenAgain(controller)),
      effect: effectOf(intent, applied, account),
    });
  } catch (error) {
    if (!(error instanceof DirectoryError) || error.code !== 'INDETERMINATE') throw error;
    // Stopped by ourselves: who runs next finds out.
    if (signal.aborted) throw new Unresolved();
    return intent;
  }
}

/** Without the dry run the intent and the write would follow; what the directory would refuse is said as far as it shows. */
function rehearsed(change: AccountChange, account: AccountReading): Error {
  const { controller } = account;
  if (change.op === 'reset' && change.policyHints === 'require' && !account.policyHints) {
    return withoutPolicyHints(controller);
  }
  const rules = [...expectedToBreak(change, account)];
  if (rules.length > 0) return new Refusal('PASSWORD_POLICY', { controller, rules, dryRun: true });
  return new Refusal('DRY_RUN', { controller, dryRun: true });
}

/** As `AppliedChange.historyEnforced` will say, should the answer be lost. */
function isHeldToHistory(change: AccountChange, { policyHints }: AccountReading): boolean {
  if (change.op !== 'reset') return change.op === 'change';
  return policyHints && change.policyHints !== 'off';
}

function apply(
  { directory }: Executor,
  change: AccountChange,
  account: AccountReading,
  signal: AbortSignal,
): Promise<AppliedChange> {
  const { objectGuid, controller } = account;
  return withDeadline(WRITE_WITHIN_MS, signal, (within) =>
    directory.apply({ objectGuid, controller }, change, within).catch((error: unknown) => {
      throw explainRefusal(error, change, account);
    }),
  );
}

function intentOf(
  { claims, executor }: Job,
  { account, reapplied }: Go,
  { mustChange, historyEnforced }: Pick<Effect, 'mustChange' | 'historyEnforced'>,
): PlannedIntent {
  const { objectGuid, controller, pwdLastSet, lockoutTime } = account;
  const { unicodePwd, usnChanged, invocationId } = account;
  const { cmd, op, by, actor, unlock, notAfter } = claims;
  return {
    ...{ cmd, op, by, actor, unlock, mustChange, objectGuid },
    ...{ controller, pwdLastSet, lockoutTime, notAfter },
    controllerTime: timestamp(account.controllerTimeMs),
    ...(historyEnforced && { historyEnforced }),
    ...(unicodePwd !== undefined && { unicodePwd }),
    ...(usnChanged !== undefined && { usnChanged }),
    ...(invocationId !== undefined && { invocationId }),
    ...(reapplied && { reapplied: true }),
    at: timestamp(executor.clock.now()),
  };
}

/** The last look before bytes leave. */
function checkStart({ claims, executor, steps }: Job, { decidedAt }: Go): void {
  const { clock } = executor;
  if (clock.now() > Date.parse(claims.notAfter)) throw new Refusal('EXPIRED');
  if (clock.monotonic() - decidedAt > claims.startWithinMs) throw new Refusal('BUSY');
  const obstacle = steps.obstacle();
  if (obstacle !== undefined) throw new Refusal(obstacle);
}
