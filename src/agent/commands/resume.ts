import type { Outcome } from '../../protocol/outcome.ts';
import { WRITE_WITHIN_MS } from '../../protocol/command.ts';
import { DirectoryError, type AccountReading } from '../directory/directory.ts';
import { checkAllowed, checkGuard, hasMoved } from './checks.ts';
import { inferredEffect } from './effect.ts';
import { findOut, type Finding } from './find-out.ts';
import { stopped, tookMs, type Go, type Job } from './job.ts';
import type { Intent } from './journal-records.ts';
import { outcome, Refusal, Unresolved, writtenAgain, type Details } from './outcomes.ts';

/** The service waits 45 s for an answer: one that comes later is not heard. */
export const ANSWER_WITHIN_MS = 40_000;

/**
 * What follows from a write whose answer was never heard: its outcome as the account proves it, or
 * the same write once more where nothing is overwritten by it. Rejects with `Unresolved` when
 * nothing can be said yet.
 */
export async function resume(job: Job, intent: Intent): Promise<Outcome | Go> {
  const { executor, steps, signal, givenAt } = job;
  const { directory, clock } = executor;
  if (job.open === intent) steps.began(intent.controller);
  const context = { directory, clock, answerBy: givenAt + ANSWER_WITHIN_MS, drain: job.drain };
  const finding = await findOut(intent, context, signal).catch((error: unknown) => {
    if (error instanceof DirectoryError) return undefined; // the account itself is gone
    throw error;
  });
  if (finding === undefined) return outcome('INDETERMINATE', tookMs(job));
  const { account } = finding;
  const { controller } = account;
  switch (finding.type) {
    case 'made':
      return outcome('APPLIED', tookMs(job), madeBefore(intent, account));
    case 'superseded':
      if (finding.elsewhere) return supersededElsewhere(job, account);
      return outcome('SUPERSEDED', tookMs(job), { controller });
    case 'unknown':
      return outcome('INDETERMINATE', tookMs(job), { controller });
    case 'not-made':
    case 'undecidable':
      return again(job, intent, finding);
  }
}

/** Once its own controller is back, that one tells which of the two writes counts. */
function supersededElsewhere(job: Job, { controller }: AccountReading): Outcome {
  if (!isOver(job)) throw new Unresolved();
  return outcome('INDETERMINATE', tookMs(job), { controller });
}

function isOver({ claims, executor }: Job): boolean {
  return executor.clock.now() > Date.parse(claims.notAfter);
}

/** What an outcome says of a write that only the account tells of. */
export function madeBefore(intent: Intent, account: AccountReading): Details {
  const { controller } = account;
  return {
    controller,
    inferred: true,
    ...(intent.reapplied === true && writtenAgain(controller)),
    effect: inferredEffect(intent, account),
  };
}

function again(job: Job, intent: Intent, finding: Finding): Outcome | Go {
  const { claims, executor } = job;
  const { account, elsewhere, type } = finding;
  const { controller } = account;
  const mayBeMade = type === 'undecidable' || elsewhere || intent.reapplied === true;
  if (isOver(job)) {
    return outcome(mayBeMade ? 'INDETERMINATE' : 'EXPIRED', tookMs(job), { controller });
  }
  if (mayBeMade && claims.op === 'change') {
    // Never sent twice; its own controller may come back and tell.
    if (elsewhere) throw new Unresolved();
    return outcome('INDETERMINATE', tookMs(job), { controller });
  }
  const writeBy = job.givenAt + ANSWER_WITHIN_MS - WRITE_WITHIN_MS;
  if (executor.clock.monotonic() > writeBy) throw new Unresolved();
  try {
    checkAgain(job, account);
  } catch (error) {
    return stopped(job, error, mayBeMade);
  }
  return { account, decidedAt: executor.clock.monotonic(), reapplied: mayBeMade, mayBeMade };
}

/** Minutes may have passed, or a restart with another configuration. */
function checkAgain({ claims, executor, steps }: Job, account: AccountReading): void {
  checkAllowed(claims, executor.guard);
  checkGuard(account, claims, executor.guard);
  const { controller } = account;
  if (claims.op !== 'unlock' && hasMoved(claims.baseline, account)) {
    throw new Refusal('SUPERSEDED', { controller });
  }
  if (claims.op === 'change') executor.admission.checkChange(account);
  const obstacle = steps.obstacle();
  if (obstacle !== undefined) throw new Refusal(obstacle);
}
