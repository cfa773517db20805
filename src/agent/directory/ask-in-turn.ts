import type { Clock } from '../../support/clock.ts';
import { ConnectionError } from './connection-error.ts';
import type { Controller } from './controller.ts';
import { DirectoryError } from './directory.ts';

export type Ask<T> = (controller: Controller) => Promise<T>;

export interface Turns {
  /** How long each one is waited for before the next one is asked as well. */
  readonly headStartMs: number;
  readonly clock: Clock;
}

/**
 * Asks one controller after the other until one gives an answer: the next one as soon as the one
 * before has failed, or when its head start is over, so that a silent one does not use up the time
 * of whoever waits. The first answer counts, an error of the account included; whoever was passed
 * over on the way is asked last until it answers. Rejects with one error about all when none answers.
 */
export function askInTurn<T>(
  controllers: readonly Controller[],
  ask: Ask<T>,
  { headStartMs, clock }: Turns,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const failures: Passed[] = [];
    const pending = new Set<Controller>();
    const waiting = [...controllers];
    let timer = new AbortController();

    const settle = (): void => {
      waiting.length = 0;
      timer.abort('over');
    };
    const next = (): void => {
      timer.abort('over');
      const controller = waiting.shift();
      if (controller === undefined) {
        if (pending.size === 0) reject(summary(failures));
        return;
      }
      pending.add(controller);
      timer = new AbortController();
      const { signal } = timer;
      const asked = askTwice(controller, ask);
      asked.then(
        (answer) => {
          pending.delete(controller);
          settle();
          for (const late of pending) late.fellBehind();
          resolve(answer);
        },
        (error: unknown) => {
          pending.delete(controller);
          if (isPassed(error)) {
            failures.push(error);
            next();
            return;
          }
          settle();
          resolve(asked);
        },
      );
      void clock.sleep(headStartMs, signal).then(() => {
        if (!signal.aborted && waiting.length > 0) next();
      });
    };
    next();
  });
}

/** A pooled connection may have died unseen; the second time it is a new one. */
export async function askTwice<T>(controller: Controller, ask: Ask<T>): Promise<T> {
  try {
    return await ask(controller);
  } catch (error) {
    const again = error instanceof ConnectionError && error.stage === 'operation' && !error.late;
    if (!again) throw error;
    return ask(controller);
  }
}

type Passed = ConnectionError | DirectoryError;

/** Whether another controller may know better. */
function isPassed(error: unknown): error is Passed {
  return (
    error instanceof ConnectionError ||
    (error instanceof DirectoryError && error.code === 'DIRECTORY_BUSY')
  );
}

function summary(failures: readonly Passed[]): DirectoryError {
  const message = failures.map((failure) => failure.message).join('; ');
  const cause = failures[0];
  if (failures.some((one) => one instanceof DirectoryError || one.stage === 'busy')) {
    return new DirectoryError('DIRECTORY_BUSY', message, { cause });
  }
  // Only when nothing but a person helps: a controller that is down may be up a moment later.
  const misconfigured = failures.every(
    (failure) =>
      failure instanceof ConnectionError &&
      (failure.stage === 'tls' || failure.stage === 'unsuitable'),
  );
  const code = misconfigured ? 'DIRECTORY_CONFIG' : 'DIRECTORY_UNREACHABLE';
  return new DirectoryError(code, message, { cause });
}
