import type { Clock } from '../../support/clock.ts';
import { ConnectionError } from './connection-error.ts';
import type { Controller } from './controller.ts';
import { DirectoryError } from './directory.ts';
import { Expiring } from './expiring.ts';
import { readHostName } from './queries.ts';

const PDC_AGE_MS = 10 * 60_000;
const ASK_PDC_AGAIN_MS = 15_000;

export interface ControllersOptions {
  readonly preferPdc: boolean;
  readonly readMs: number;
  readonly clock: Clock;
}

/** The configured controllers of one domain, and which of them to ask first. */
export class Controllers {
  readonly all: readonly Controller[];
  readonly #options: ControllersOptions;
  readonly #closing = new AbortController();
  readonly #pdc: Expiring<string | undefined>;
  #lastPdc: string | undefined;
  #askPdcAt = 0;

  constructor(all: readonly Controller[], options: ControllersOptions) {
    this.all = all;
    this.#options = options;
    this.#pdc = new Expiring(PDC_AGE_MS, options.clock);
  }

  /** Throws `DIRECTORY_UNREACHABLE` for one that is not configured (any more). */
  named(name: string): Controller {
    const found = this.all.find((controller) => isNamed(controller, name));
    if (found !== undefined) return found;
    throw new DirectoryError('DIRECTORY_UNREACHABLE', `${name} is not in the configuration`, {
      controller: name,
    });
  }

  /**
   * Asks one controller after the other, the PDC emulator first and those that failed a moment ago
   * last, until one gives an answer. Rejects with that answer when it is an error, else with one
   * `DirectoryError` about all of them.
   */
  async firstAnswer<T>(
    ask: (controller: Controller) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#askInOrder(await this.#pdcName(), (controller) => {
      // Nobody is waiting any more, whichever controller would be next.
      signal.throwIfAborted();
      return ask(controller);
    });
  }

  /** Asks this controller only. Rejects as `firstAnswer` does. */
  async answerOf<T>(name: string, ask: (controller: Controller) => Promise<T>): Promise<T> {
    return askEach([this.named(name)], ask);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.all.map((controller) => controller.close()));
  }

  /** The last that is known, while nobody can say. */
  async #pdcName(): Promise<string | undefined> {
    const { preferPdc, clock } = this.#options;
    if (!preferPdc || this.all.length === 1 || clock.monotonic() < this.#askPdcAt) {
      return this.#lastPdc;
    }
    try {
      this.#lastPdc = await this.#pdc.get(() => this.#findPdc());
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      this.#askPdcAt = clock.monotonic() + ASK_PDC_AGAIN_MS;
    }
    return this.#lastPdc;
  }

  #findPdc(): Promise<string | undefined> {
    const { signal } = this.#closing;
    return this.#askInOrder(undefined, (controller) =>
      controller.use(
        'read',
        async (connection) => {
          const ms = this.#options.readMs;
          const asking = { connection, controller: controller.name, ms, signal };
          const profile = await controller.profile(asking);
          const { pdcSettingsDn } = await controller.domain(asking, profile);
          return pdcSettingsDn === undefined ? undefined : readHostName(asking, pdcSettingsDn);
        },
        signal,
      ),
    );
  }

  #askInOrder<T>(
    first: string | undefined,
    ask: (controller: Controller) => Promise<T>,
  ): Promise<T> {
    return askEach(inOrder(this.all, first), ask);
  }
}

async function askEach<T>(
  controllers: readonly Controller[],
  ask: (controller: Controller) => Promise<T>,
): Promise<T> {
  const failures: (ConnectionError | DirectoryError)[] = [];
  for (const controller of controllers) {
    try {
      return await askTwice(controller, ask);
    } catch (error) {
      if (!isPassedOn(error)) throw error;
      failures.push(error);
    }
  }
  throw summary(failures);
}

function isNamed(controller: Controller, name: string): boolean {
  return controller.name.toLowerCase() === name.toLowerCase();
}

function inOrder(all: readonly Controller[], pdc: string | undefined): readonly Controller[] {
  const rank = (controller: Controller): number =>
    (controller.cooling ? 2 : 0) + (pdc !== undefined && isNamed(controller, pdc) ? 0 : 1);
  return all.toSorted((a, b) => rank(a) - rank(b));
}

/** A pooled connection may have died unseen; the second time it is a new one. */
async function askTwice<T>(
  controller: Controller,
  ask: (controller: Controller) => Promise<T>,
): Promise<T> {
  try {
    return await ask(controller);
  } catch (error) {
    const again = error instanceof ConnectionError && error.stage === 'operation' && !error.late;
    if (!again) throw error;
    return ask(controller);
  }
}

/** Whether another controller may know better. */
function isPassedOn(error: unknown): error is ConnectionError | DirectoryError {
  return (
    error instanceof ConnectionError ||
    (error instanceof DirectoryError && error.code === 'DIRECTORY_BUSY')
  );
}

function summary(failures: readonly (ConnectionError | DirectoryError)[]): DirectoryError {
  const message = failures.map((failure) => failure.message).join('; ');
  if (failures.some((failure) => failure instanceof DirectoryError)) {
    return new DirectoryError('DIRECTORY_BUSY', message, { cause: failures[0] });
  }
  // Only when nothing but a person helps: a controller that is down may be up a moment later.
  const misconfigured = failures.every(
    (failure) =>
      failure instanceof ConnectionError &&
      (failure.stage === 'tls' || failure.stage === 'unsuitable'),
  );
  return new DirectoryError(misconfigured ? 'DIRECTORY_CONFIG' : 'DIRECTORY_UNREACHABLE', message, {
    cause: failures[0],
  });
}
