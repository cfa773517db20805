import { setMaxListeners } from 'node:events';
import type { Clock } from '../../support/clock.ts';
import type { Moment, OperationRecord } from '../store/records.ts';
import { FENCE_MS } from './dispatch-plan.ts';

type Ordered = Pick<OperationRecord, 'id' | 'directory' | 'objectGuid' | 'notAfter'>;

interface Holder {
  readonly operation: string;
  /** No agent writes for the operation after this, and what was written can be told from later writes. */
  readonly until: Moment;
  /** A dispatch is under way, or is being made. */
  busy: boolean;
  /** An agent may have it. */
  kept: boolean;
  /** Aborted when another operation may try. */
  readonly changed: AbortController;
}

/** The turn of an operation, for one dispatch. */
export interface Turn extends Disposable {
  /** From now on an agent may have it: the turn outlives the dispatch until `release`. */
  keep(): void;
}

/**
 * One operation of an account at a time, until nothing of it can be written any more. The same agent
 * would only queue a second one; another agent, when the first is lost, would write it into the time
 * in which the first one's write may have been made, and nobody could say whose write it was.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #holders = new Map<string, Holder>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The account's turn until it is disposed of; undefined while it is another's, or in use. */
  take(operation: Ordered): Turn | undefined {
    const account = accountOf(operation);
    const before = this.#holders.get(account);
    const isOwn = before?.operation === operation.id;
    const isOver = before !== undefined && this.#clock.now() > before.until;
    if (before !== undefined && (before.busy || !(isOwn || isOver))) return undefined;
    const holder = isOwn ? before : newHolder(operation);
    holder.busy = true;
    this.#holders.set(account, holder);
    if (!isOwn) before?.changed.abort();
    return {
      keep: () => {
        holder.kept = true;
      },
      [Symbol.dispose]: () => {
        holder.busy = false;
        if (!holder.kept) this.release(operation);
      },
    };
  }

  /**
   * Gives the account's turn to an operation that an agent may have already, also before another
   * one that was about to begin: that one has handed nothing over, and waits.
   */
  reserve(operation: Ordered): void {
    const account = accountOf(operation);
    const before = this.#holders.get(account);
    if (before?.operation === operation.id) {
      before.kept = true;
      return;
    }
    if (before?.kept === true && this.#clock.now() <= before.until) return;
    this.#holders.set(account, { ...newHolder(operation), kept: true });
    before?.changed.abort();
  }

  /** Ends what `keep` began: no agent can write for the operation any more. Idempotent. */
  release(operation: Ordered): void {
    const account = accountOf(operation);
    const holder = this.#holders.get(account);
    if (holder?.operation !== operation.id || holder.busy) return;
    this.#holders.delete(account);
    holder.changed.abort();
  }

  /** Resolves when it is worth trying again, at the end of the operation's own time at the latest. */
  async wait(operation: Ordered, stop: AbortSignal): Promise<void> {
    const holder = this.#holders.get(accountOf(operation));
    if (holder === undefined) return;
    const now = this.#clock.now();
    const ends = [holder.until, operation.notAfter].filter((end) => end > now);
    const signal = AbortSignal.any([holder.changed.signal, stop]);
    await this.#clock.sleep(Math.min(TRY_AGAIN_MS, ...ends.map((end) => end - now + 1)), signal);
  }
}

/** Nobody says when a turn that is over ceases to be in use. */
const TRY_AGAIN_MS = 5_000;

function newHolder({ id, notAfter }: Ordered): Holder {
  const changed = new AbortController();
  setMaxListeners(0, changed.signal); // every operation that waits for the account
  return { operation: id, until: notAfter + 2 * FENCE_MS, busy: false, kept: false, changed };
}

function accountOf({ directory, objectGuid }: Ordered): string {
  return `${directory}/${objectGuid}`;
}
