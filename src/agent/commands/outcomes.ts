import { CODES, factsOf, type OutcomeCode } from '../../protocol/codes.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import { DirectoryError } from '../directory/directory.ts';

/** What an outcome may say besides its code. */
export type Details = Partial<Omit<Outcome, 'status' | 'code' | 'retry' | 'tookMs'>>;

/** An outcome of the given code; status and retry come from the code's own row. */
export function outcome(code: OutcomeCode, tookMs: number, details: Details = {}): Outcome {
  const { status, retry, meaning } = factsOf(code);
  return {
    status,
    code,
    ...(retry !== undefined && { retry }),
    message: meaning,
    tookMs: Math.round(tookMs * 10) / 10,
    ...details,
  };
}

/** What goes with a write that was made although an earlier one may have been, on this controller or another one. */
export function writtenAgain(controller: string): Details {
  return {
    reapplied: true,
    message: `${CODES.APPLIED.meaning} It was written once more, on ${controller}: an earlier write of it had no answer.`,
  };
}

/** A command that was not carried out; thrown inside `commands/`, it becomes the outcome. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: OutcomeCode;
  readonly details: Details;

  constructor(code: OutcomeCode, details: Details = {}) {
    super(CODES[code].meaning);
    this.code = code;
    this.details = details;
  }
}

/**
 * What became of a write cannot be said yet: nothing is recorded, nothing is answered, and the
 * intent stays open until the service asks again.
 */
export class Unresolved extends Error {
  override readonly name = 'Unresolved';

  constructor() {
    super('what became of the write is not known yet');
  }
}

/** What an expected failure means to the service. Rethrows everything else: a bug is not an outcome. */
export function toOutcome(error: unknown, tookMs: number): Outcome {
  if (error instanceof Refusal) return outcome(error.code, tookMs, error.details);
  if (error instanceof DirectoryError) {
    return outcome(error.code, tookMs, {
      ...(error.controller !== undefined && { controller: error.controller }),
      ...(error.rules.length > 0 && { rules: [...error.rules] }),
    });
  }
  throw error;
}
