import type { Clock } from '../../support/clock.ts';
import { onAbort } from '../../support/on-abort.ts';
import type { OperationRecord } from '../store/records.ts';

/** Without a reason of its own each abort makes an error with a stack, and there is one for every caller. */
const HEARD = 'heard';

/** Somebody's ear: hears what is announced from the moment it is made until it is disposed of. */
export interface Listening extends Disposable {
  /** The operation as it was announced; undefined when `ms` pass or `signal` aborts before. */
  within(
    ms: number,
    { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  ): Promise<OperationRecord | undefined>;
}

/** Tells whoever waits for an operation what it has become. */
export class Changes {
  readonly #listeners = new Map<string, Set<(operation: OperationRecord) => void>>();

  /** What is waited for now. */
  get awaited(): readonly string[] {
    return [...this.#listeners.keys()];
  }

  isAwaited(id: string): boolean {
    return this.#listeners.has(id);
  }

  announce(operation: OperationRecord): void {
    for (const listener of this.#listeners.get(operation.id) ?? []) listener(operation);
  }

  listen(id: string): Listening {
    const over = new AbortController();
    let announced: OperationRecord | undefined;
    const listener = (operation: OperationRecord): void => {
      announced ??= operation;
      over.abort(HEARD);
    };
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return {
      within: async (ms, { clock, signal }) => {
        const off = onAbort(signal, () => {
          over.abort(HEARD);
        });
        await clock.sleep(ms, over.signal);
        off();
        return announced;
      },
      [Symbol.dispose]: () => {
        over.abort(HEARD);
        listeners.delete(listener);
        if (listeners.size === 0 && this.#listeners.get(id) === listeners) {
          this.#listeners.delete(id);
        }
      },
    };
  }
}
