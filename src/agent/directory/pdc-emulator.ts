import { askInTurn, type Turns } from './ask-in-turn.ts';
import type { Controller } from './controller.ts';
import { DirectoryError } from './directory.ts';
import { readHostName } from './queries.ts';

const KNOWN_FOR_MS = 10 * 60_000;
const ASK_AGAIN_MS = 15_000;

export interface PdcOptions extends Turns {
  readonly readMs: number;
}

/** Which controller is the PDC emulator: all others forward password changes to it (MS-ADTS 6.1.5.3). */
export class PdcEmulator {
  readonly #options: PdcOptions;
  readonly #closing = new AbortController();
  #known: string | undefined;
  #asking: Promise<void> | undefined;
  #askAt = 0;

  constructor(options: PdcOptions) {
    this.#options = options;
  }

  /**
   * Its host name: the last known while nobody can say, `hint` before anybody has said. Waits for
   * an answer only when there is neither. Never rejects but for a bug.
   */
  async name(
    hint: string | undefined,
    order: (first: string | undefined) => readonly Controller[],
  ): Promise<string | undefined> {
    const { clock } = this.#options;
    if (clock.monotonic() >= this.#askAt) {
      this.#askAt = clock.monotonic() + KNOWN_FOR_MS;
      this.#asking = this.#ask(order(this.#known ?? hint));
    }
    if (this.#known === undefined && hint === undefined) await this.#asking;
    return this.#known ?? hint;
  }

  close(): void {
    this.#closing.abort();
  }

  async #ask(ordered: readonly Controller[]): Promise<void> {
    const { signal } = this.#closing;
    const { readMs: ms, clock } = this.#options;
    try {
      this.#known = await askInTurn(
        ordered,
        (controller) => this.#askOne(controller, ms, signal),
        this.#options,
      );
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      this.#askAt = clock.monotonic() + ASK_AGAIN_MS;
    }
  }

  #askOne(controller: Controller, ms: number, signal: AbortSignal): Promise<string | undefined> {
    return controller.use(
      'read',
      async (connection) => {
        const asking = { connection, controller: controller.name, ms, signal };
        const profile = await controller.facts.profile(asking);
        const { pdcSettingsDn } = await controller.facts.domain(asking, profile);
        return pdcSettingsDn === undefined ? undefined : readHostName(asking, pdcSettingsDn);
      },
      signal,
    );
  }
}
