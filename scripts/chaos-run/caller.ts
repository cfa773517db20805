import type { z } from 'zod';
import { OperationView, PreparedOperation } from '../../src/cloud/api/bodies.ts';
import { Problem } from '../../src/cloud/api/problem.ts';
import { sealPrepared } from '../../src/cloud/cli/seal-prepared.ts';
import type { Clock } from '../../src/support/clock.ts';
import { STACK_DIRECTORY } from '../../test/support/stack.ts';
import type { Answer, Api } from './api.ts';
import type { CommandHistory } from './history.ts';
import { pause } from './pause.ts';
import type { PlannedCommand, PlannedRival } from './plan.ts';

type Prepared = z.infer<typeof PreparedOperation>;

/** How long a caller asks for something that the service cannot do just now. */
const PATIENCE_MS = 3 * 60_000;
/** The same before there is an operation: nothing is at stake, and the run waits until somebody is there again. */
const PREPARE_PATIENCE_MS = 15 * 60_000;
/** After an operation's time is over, for an agent that was away and knows what became of it. */
const LATE_PATIENCE_MS = 90_000;
const AGAIN_MS = 250;
const LONGEST_WAIT_MS = 2_000;
const WAIT_S = 8;

/** What a caller needs besides the API; the rest of the run does it. */
export interface CallerOptions {
  readonly api: Api;
  readonly clock: Clock;
  readonly objectGuid: (sam: string) => string;
  /** Locks the account if it can, and resolves with when that was over. */
  readonly lock: (sam: string) => Promise<number>;
  /** Somebody else's reset of the account. Never rejects. */
  readonly rival: (history: CommandHistory, rival: PlannedRival) => Promise<void>;
}

/**
 * Carries one command out as the API tells its callers to: what cannot be done now is asked for
 * again, what was lost on the way is sent again with the same bytes, and the outcome is asked for
 * until it is final. `history` is up to date at every moment.
 */
export async function carryOut(history: CommandHistory, options: CallerOptions): Promise<void> {
  const { command } = history;
  const { clock } = options;
  if (command.lockFirst) history.lockedAt = await options.lock(command.sam);
  const prepared = await prepare(history, options);
  if (prepared === undefined) return;
  const { rival } = command;
  if (rival?.when === 'before-submit') await options.rival(history, rival);
  const body =
    command.op === 'unlock'
      ? {}
      : { secret: await sealPrepared(STACK_DIRECTORY, prepared, { password: command.password }) };
  const meanwhile =
    typeof rival?.when === 'number'
      ? pause(clock, rival.when).then(() => options.rival(history, rival))
      : undefined;
  await submit(history, body, options);
  await askUntilFinal(history, Date.parse(prepared.notAfter) + LATE_PATIENCE_MS, options);
  history.endedAt = clock.now();
  await meanwhile;
}

async function prepare(
  history: CommandHistory,
  options: CallerOptions,
): Promise<Prepared | undefined> {
  const { command } = history;
  const { sam, op } = command;
  const account = { objectGuid: options.objectGuid(sam) };
  const wished = op === 'reset' ? pick(command) : {};
  const body = { account, op, options: wished };
  const ask = (): Promise<Answer> => options.api.call('POST', 'prepare', body);
  const answer = await persist(history, { ...options, patienceMs: PREPARE_PATIENCE_MS }, ask);
  if (answer === undefined) return undefined;
  history.preparedAt = options.clock.now();
  const prepared = PreparedOperation.parse(answer);
  history.operation = prepared.operation;
  return prepared;
}

function pick({ unlock, mustChange }: PlannedCommand): { unlock: boolean; mustChange: boolean } {
  return { unlock, mustChange };
}

async function submit(
  history: CommandHistory,
  body: object,
  options: CallerOptions,
): Promise<void> {
  history.submittedAt = options.clock.now();
  const path = `operations/${history.operation ?? ''}`;
  const answer = await persist(history, options, () => options.api.call('PUT', path, body, WAIT_S));
  if (answer !== undefined) history.view = OperationView.parse(answer);
}

/** Asks for the outcome until it is final, or until that moment. */
export async function askUntilFinal(
  history: CommandHistory,
  until: number,
  options: Pick<CallerOptions, 'api' | 'clock'>,
): Promise<void> {
  const { api, clock } = options;
  const path = `operations/${history.operation ?? ''}`;
  while (history.view?.final === false && clock.now() < until) {
    const answer = await persist(history, options, () => api.call('GET', path, undefined, WAIT_S));
    if (answer === undefined) return;
    const before = history.view.status;
    history.view = OperationView.parse(answer);
    // It may answer at once that it cannot say more.
    if (before === 'unknown') await pause(clock, LONGEST_WAIT_MS);
  }
}

/**
 * Asks until there is an answer that more asking does not change: the JSON of a success, or
 * undefined after a refusal, which the history then names.
 */
async function persist(
  history: CommandHistory,
  { clock, patienceMs = PATIENCE_MS }: Pick<CallerOptions, 'clock'> & { patienceMs?: number },
  ask: () => Promise<Answer>,
): Promise<unknown> {
  const until = clock.now() + patienceMs;
  let last = 'no answer';
  while (clock.now() < until) {
    history.requests++;
    const answer = await ask();
    if (answer.kind === 'answer') {
      if (answer.status < 300) return answer.json;
      const { code } = Problem.parse(answer.json);
      last = code;
      if (answer.status < 500 && answer.status !== 429) {
        history.refusal = code;
        return undefined;
      }
    }
    const waitMs = answer.kind === 'answer' ? Math.min(answer.waitMs, LONGEST_WAIT_MS) : 0;
    await pause(clock, Math.max(AGAIN_MS, waitMs));
  }
  history.refusal = `gave up: ${last}`;
  return undefined;
}
