import type { OperationRecord } from '../store/records.ts';
import { messageOf } from '../../support/errors.ts';
import { onAbort } from '../../support/on-abort.ts';
import type { Core } from './core.ts';
import { runOperation } from './run-operation.ts';

const EXPIRE_EVERY_MS = 60_000;
const FORGET_AFTER_MS = 24 * 3600_000;
const RETRY_FAILED_MS = 5_000;

/** Keeps every submitted operation going until its outcome is known. */
export class Dispatcher {
  readonly #core: Core;
  readonly #running = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #inFlight = new Map<string, Promise<unknown>>();
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Goes on with what an earlier process left unfinished. */
  async resume(): Promise<void> {
    const { store, clock } = this.#core;
    await store.operations.loseDispatches(clock.now());
    for (const operation of await store.operations.unfinished()) this.start(operation);
  }

  /** Takes care of a submitted operation from now on; idempotent. */
  start(operation: OperationRecord): void {
    const { id } = operation;
    if (this.#running.has(id) || this.#drain.signal.aborted) return;
    const run = this.#run(operation).finally(() => {
      this.#running.delete(id);
    });
    this.#running.set(id, run);
  }

  /**
   * The operation once it has an outcome, or as it is after `ms`. `known` spares a look at what was
   * started in this very moment.
   */
  async waitFor(
    id: string,
    ms: number,
    signal: AbortSignal,
    known?: OperationRecord,
  ): Promise<OperationRecord | undefined> {
    const { clock, store } = this.#core;
    const deadline = clock.monotonic() + ms;
    let seen = known;
    for (;;) {
      const changed = this.#nextChange(id);
      try {
        const operation = seen ?? (await store.operations.find(id));
        seen = undefined;
        const leftMs = deadline - clock.monotonic();
        if (operation?.state !== 'pending' || leftMs <= 0 || signal.aborted) return operation;
        const off = onAbort(signal, changed.cancel);
        await clock.sleep(leftMs, changed.signal);
        off();
      } finally {
        changed.cancel();
      }
    }
  }

  /** Gives up, every minute, what was prepared and never submitted, and forgets it after a day. Resolves when stopped. */
  async sweep(): Promise<void> {
    const { store, clock, log } = this.#core;
    while (!this.#drain.signal.aborted) {
      try {
        await store.operations.expirePrepared(clock.now());
        await store.operations.forgetUnsubmitted(clock.now() - FORGET_AFTER_MS);
      } catch (error) {
        log.error('cloud.request_failed', { problem: messageOf(error) });
      }
      await clock.sleep(EXPIRE_EVERY_MS, this.#drain.signal);
    }
  }

  /** Hands nothing over any more; gives what is under way `ms` to end. What is not final goes on after a restart. */
  async close(ms: number): Promise<void> {
    this.#drain.abort();
    const ended = Promise.allSettled(this.#running.values());
    await Promise.race([ended, this.#core.clock.sleep(ms, this.#abort.signal)]);
    this.#abort.abort();
    await ended;
  }

  async #run(operation: OperationRecord): Promise<void> {
    const { log, clock } = this.#core;
    const { id } = operation;
    let known: OperationRecord | undefined = operation;
    const { signal } = this.#drain;
    const stop = { drain: signal, abort: this.#abort.signal };
    while (!signal.aborted) {
      try {
        const ended = await runOperation(
          { core: this.#core, inFlight: this.#inFlight },
          known ?? id,
          () => {
            this.#announce(id);
          },
          stop,
        );
        if (ended !== undefined) this.#logEnd(ended);
        return;
      } catch (error) {
        known = undefined; // a step may have been taken since
        // A database that fails now may work again in a moment; the operation must not be forgotten.
        log.error('cloud.request_failed', { cmd: id, problem: messageOf(error) });
        await clock.sleep(RETRY_FAILED_MS, signal);
      }
    }
  }

  #logEnd({ id, directory, op, by, actor, state, result, objectGuid }: OperationRecord): void {
    this.#core.log.info('cloud.operation_finished', {
      cmd: id,
      directory,
      op,
      by,
      actor,
      account: objectGuid,
      state,
      code: result?.code,
      agent: result?.agent,
    });
  }

  #announce(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  #nextChange(id: string): { readonly signal: AbortSignal; readonly cancel: () => void } {
    const controller = new AbortController();
    const listeners = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, listeners);
    const cancel = (): void => {
      controller.abort();
      listeners.delete(cancel);
      if (listeners.size === 0 && this.#waiting.get(id) === listeners) this.#waiting.delete(id);
    };
    listeners.add(cancel);
    return { signal: controller.signal, cancel };
  }
}
