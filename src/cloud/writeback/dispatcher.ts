import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SealedSecret } from '../../protocol/sealed.ts';
import { messageOf } from '../../support/errors.ts';
import type { OperationRecord } from '../store/records.ts';
import { Changes } from './changes.ts';
import type { Core } from './core.ts';
import { openDispatches } from './dispatch-plan.ts';
import { NotOurs } from './relay.ts';
import { firstStep, runOperation, type Run, type UnderWay } from './run-operation.ts';
import { submit } from './submit.ts';
import { Turns } from './turns.ts';

const RETRY_FAILED_MS = 5_000;

/** An operation that is being taken care of. */
interface Running {
  /** Never rejects. */
  ended: Promise<void>;
  /** Takes no further step once this is aborted. */
  readonly drain: AbortController;
  /** As it is for sure; undefined when the store has to be asked. */
  known: OperationRecord | undefined;
}

/** Keeps every submitted operation going until its outcome is known. */
export class Dispatcher {
  readonly #core: Core;
  readonly #running = new Map<string, Running>();
  readonly #submitting = new Set<string>();
  readonly #changes = new Changes();
  readonly #turns: Turns;
  readonly #abort = new AbortController();
  #draining = false;

  constructor(core: Core) {
    this.#core = core;
    this.#turns = new Turns(core.clock);
    setMaxListeners(0, this.#abort.signal); // one listener for each dispatch under way
  }

  /** Goes on with what an earlier process left unfinished. */
  async resume(): Promise<void> {
    await this.adopt(await this.#core.relay.inherit());
  }

  /** Takes care of operations that nobody cares for any more, and whose open dispatches are lost. */
  async adopt(unfinished: readonly OperationRecord[]): Promise<void> {
    const { operations } = this.#core.store;
    // An agent may still write for those first: before any other operation of the account is handed over.
    const handedOver: OperationRecord[] = [];
    for (const operation of unfinished) {
      const open = openDispatches(await operations.dispatches(operation.id));
      if (open.length > 0) handedOver.push(operation);
    }
    for (const operation of handedOver) this.#turns.reserve(operation);
    for (const known of unfinished) this.#start(known);
  }

  /**
   * Takes the sealed secret of a prepared operation, durably, and takes care of it from then on.
   * The very same again is harmless. Rejects with `ServiceError`.
   */
  async submit(operation: OperationRecord, secret: SealedSecret | undefined): Promise<void> {
    const turn = this.#turns.take(operation);
    let first: UnderWay | undefined;
    this.#submitting.add(operation.id);
    try {
      // An agent that is there gets it with the very commit that makes it durable.
      const step = turn && firstStep(this.#core, operation);
      const session = step?.type === 'dispatch' ? step.session : undefined;
      const submission = await submit(this.#core, operation, { secret, session });
      if (submission === undefined) return;
      const { operation: known, first: dispatch, assignment } = submission;
      this.#core.relay.assigned(known, assignment);
      if (!assignment.isOwn) return;
      await this.adoptById(assignment.before);
      first = dispatch && turn && { dispatch, turn };
      this.#start(known, first);
    } finally {
      this.#submitting.delete(operation.id);
      if (first === undefined) turn?.[Symbol.dispose]();
    }
  }

  /** Takes care of nothing new any more. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** Whether this process takes care of an operation already, or is about to. */
  isBusyWith(id: string): boolean {
    return this.#running.has(id) || this.#submitting.has(id);
  }

  /** Goes on with an operation that another node has left to this one. */
  async adoptById(ids: readonly string[]): Promise<void> {
    const found = await Promise.all(ids.map((id) => this.#core.store.operations.find(id)));
    await this.adopt(found.flatMap((each) => (each?.final === false ? [each] : [])));
  }

  /** What somebody in this process waits for, or cares for. */
  get awaited(): readonly string[] {
    return [...new Set([...this.#changes.awaited, ...this.#running.keys()])];
  }

  isAwaited(id: string): boolean {
    return this.#running.has(id) || this.#changes.isAwaited(id);
  }

  /** Takes no further step with anything: other nodes do, from now on. */
  letGo(): void {
    for (const { drain } of this.#running.values()) drain.abort();
  }

  /** The operation once it has an outcome, or as it is after `ms`. */
  async waitFor(id: string, ms: number, signal: AbortSignal): Promise<OperationRecord | undefined> {
    const { clock, store } = this.#core;
    using listening = this.#changes.listen(id);
    const now = this.#running.get(id)?.known ?? (await store.operations.find(id));
    if (now?.state !== 'pending') return now;
    return (await listening.within(ms, { clock, signal })) ?? now;
  }

  /** Ends the care for an operation that a person has closed, and tells whoever waits for it. */
  release(closed: OperationRecord): void {
    this.hear(closed);
    this.#core.relay.announce(closed.id);
  }

  /** Takes what another node has made of an operation, and tells whoever waits for it. */
  hear(changed: OperationRecord): void {
    const running = this.#running.get(changed.id);
    if (running !== undefined) running.known = changed;
    if (changed.final) running?.drain.abort();
    this.#changes.announce(changed);
  }

  /** Hands nothing over any more; gives what is under way `ms` to end. What is not final goes on after a restart. */
  async close(ms: number): Promise<void> {
    this.#draining = true;
    for (const { drain } of this.#running.values()) drain.abort();
    const ended = Promise.all([...this.#running.values()].map(({ ended }) => ended));
    await Promise.race([ended, this.#core.clock.sleep(ms, this.#abort.signal)]);
    this.#abort.abort();
    await ended;
  }

  /** Idempotent. */
  #start(known: OperationRecord, first?: UnderWay): void {
    const { id } = known;
    if (this.#running.has(id) || this.#draining) return;
    const drain = new AbortController();
    const running: Running = { known, drain, ended: Promise.resolve() };
    this.#running.set(id, running);
    running.ended = this.#run({ id, known, first }, running).finally(() => {
      this.#running.delete(id);
      // However it ended: whoever cares for it from now on keeps the account's order.
      this.#turns.release(known);
    });
  }

  async #run(run: Run, running: Running): Promise<void> {
    const { log, clock } = this.#core;
    const [drain, abort] = [running.drain.signal, this.#abort.signal];
    const onChange = (operation: OperationRecord): void => {
      running.known = operation;
      this.#changes.announce(operation);
    };
    using round = this.#core.rounds.begin('a step of an operation');
    const context = { core: this.#core, turns: this.#turns, round, onChange };
    for (let next: Run = run; !drain.aborted; next = { id: run.id, isAgain: true }) {
      try {
        const ended = await runOperation(context, next, { drain, abort });
        if (ended !== undefined) {
          // Whoever waits has not heard of an end whose own step failed.
          if (running.known !== ended) onChange(ended);
          await nextTurn(); // whoever waits for the outcome comes before the log
          this.#logEnd(ended);
        }
        return;
      } catch (error) {
        running.known = undefined; // a step may have been taken
        if (error instanceof NotOurs) return;
        // A database that fails now may work again in a moment; the operation must not be forgotten.
        log.error('cloud.request_failed', { cmd: run.id, problem: messageOf(error) });
        await clock.sleep(RETRY_FAILED_MS, drain);
      }
    }
  }

  #logEnd({ id, directory, op, by, actor, state, result, objectGuid }: OperationRecord): void {
    this.#core.meters.operationEnded(op, result?.code ?? state);
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
}
