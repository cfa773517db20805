import type { Clock } from '../../support/clock.ts';
import { askInTurn, type Ask } from './ask-in-turn.ts';
import type { Controller } from './controller.ts';
import { DirectoryError } from './directory.ts';
import { PdcEmulator } from './pdc-emulator.ts';
import { isNamed, type Roster } from './roster.ts';

export interface ControllersOptions {
  readonly preferPdc: boolean;
  readonly readMs: number;
  readonly headStartMs: number;
  readonly clock: Clock;
}

/** The controllers of one domain, and which of them to ask first. */
export class Controllers {
  readonly #roster: Roster;
  readonly #options: ControllersOptions;
  readonly #pdc: PdcEmulator;

  constructor(roster: Roster, options: ControllersOptions) {
    this.#roster = roster;
    this.#options = options;
    this.#pdc = new PdcEmulator(options);
  }

  /** All that are known. Rejects with a `DirectoryError` when none is. */
  all(): Promise<readonly Controller[]> {
    return this.#roster.list();
  }

  /** Rejects with `DIRECTORY_UNREACHABLE` for one that is not known. */
  async named(name: string): Promise<Controller> {
    const found = await this.#roster.named(name);
    if (found !== undefined) return found;
    throw new DirectoryError(
      'DIRECTORY_UNREACHABLE',
      `${name} is not among the configured or found domain controllers`,
      { controller: name },
    );
  }

  /** The one that is asked first while nothing is wrong. */
  async preferred(): Promise<Controller | undefined> {
    const [first] = inOrder(await this.#roster.list(), [await this.#pdcName()]);
    return first;
  }

  /**
   * Asks one controller after the other until one gives an answer: `home` first, then the PDC
   * emulator, those that fail last. Rejects with that answer when it is an error, else with one
   * `DirectoryError` about all of them.
   */
  async firstAnswer<T>(ask: Ask<T>, home: string | undefined, signal: AbortSignal): Promise<T> {
    const ordered = inOrder(await this.#roster.list(), [home, await this.#pdcName()]);
    for (const controller of ordered) void controller.revive();
    const askUnlessOver: Ask<T> = (controller) => {
      // Nobody is waiting any more, whichever controller would be next.
      signal.throwIfAborted();
      return ask(controller);
    };
    try {
      return await askInTurn(ordered, askUnlessOver, this.#options);
    } catch (error) {
      const others = isPassing(error) && !signal.aborted ? await this.#roster.others() : [];
      if (others.length === 0) throw error;
      return await askInTurn(others, askUnlessOver, this.#options);
    }
  }

  /** Asks this controller only. Rejects as `firstAnswer` does. */
  async answerOf<T>(name: string, ask: Ask<T>): Promise<T> {
    return askInTurn([await this.named(name)], ask, this.#options);
  }

  async close(): Promise<void> {
    this.#pdc.close();
    await this.#roster.close();
  }

  async #pdcName(): Promise<string | undefined> {
    const all = await this.#roster.list();
    if (!this.#options.preferPdc || all.length === 1) return undefined;
    return this.#pdc.name(this.#roster.pdc, (first) => inOrder(all, [first]));
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof DirectoryError && error.retryable;
}

/** These first, in this order, and whoever fails last; else the order stays. */
function inOrder(
  all: readonly Controller[],
  first: readonly (string | undefined)[],
): readonly Controller[] {
  const rank = (controller: Controller): number => {
    const at = first.findIndex((name) => name !== undefined && isNamed(controller, name));
    return (at < 0 ? first.length : at) + (controller.ailing ? first.length + 1 : 0);
  };
  return all.toSorted((a, b) => rank(a) - rank(b));
}
