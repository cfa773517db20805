import type { Clock } from '../../src/support/clock.ts';
import type { Api } from '../benchmark/api.ts';

/** How often an operation whose outcome is not there yet is asked for again, 20 s apart. */
const ASKED_AGAIN = 30;

/** What a tally says of an operation that was never begun. */
const NOT_PREPARED = 'not prepared';

export interface LoadOptions {
  readonly api: Api;
  readonly accounts: readonly string[];
  /** Between two operations of one caller, once so many have been made in all; before, after one that is refused. */
  readonly restMs: number;
  readonly restAfter: number;
  readonly callers: number;
  readonly clock: Clock;
}

/** What the operations came to, by status, and why not; `not prepared` for those that were refused before. */
export type Tally = Readonly<Record<string, number>>;

/** Callers that reset and unlock one account after the other until `signal` aborts. */
export class Load {
  readonly #options: LoadOptions;
  readonly #tally = new Map<string, number>();
  #next = 0;
  #busy = 0;
  /** Nobody begins anything before it resolves. */
  #gate: Promise<void> = Promise.resolve();
  #onIdle: () => void = () => undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get tally(): Tally {
    return Object.fromEntries([...this.#tally].sort());
  }

  async run(signal: AbortSignal): Promise<void> {
    const { callers } = this.#options;
    await Promise.all(Array.from({ length: callers }, (_, lane) => this.#call(lane, signal)));
  }

  /** Does `work` while no operation is under way and none begins. */
  async between(work: () => Promise<void>): Promise<void> {
    let open = (): void => undefined;
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    try {
      if (this.#busy > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
      await work();
    } finally {
      open();
    }
  }

  /** Each caller has accounts of its own: nobody waits for somebody else's. */
  async #call(lane: number, signal: AbortSignal): Promise<void> {
    const { accounts, callers, clock, restMs, restAfter } = this.#options;
    const own = accounts.filter((_, i) => i % callers === lane);
    for (let turn = 0; ; turn += 1) {
      const account = own[turn % own.length];
      if (account === undefined) throw new RangeError('a caller without an account');
      await this.#gate;
      if (signal.aborted) return;
      this.#busy += 1;
      const what = await this.#operation(account);
      this.#count(what);
      this.#busy -= 1;
      if (this.#busy === 0) this.#onIdle();
      // Who is refused does not hammer: a pause lasts as long for many tries as for few.
      const isRefused = what.endsWith(NOT_PREPARED);
      if (isRefused || this.#next >= restAfter) await clock.sleep(restMs, signal);
    }
  }

  async #operation(account: string): Promise<string> {
    const { api } = this.#options;
    this.#next += 1;
    const number = this.#next;
    const kind = number % 5 === 0 ? 'unlock' : 'reset';
    try {
      const prepared = await (kind === 'unlock'
        ? api.prepareUnlock(account)
        : api.prepare(account, `Soaked-${number}-Times`));
      for (let tries = 0; tries < ASKED_AGAIN; tries += 1) {
        const { status, outcome, code = '' } = await api.handIn(prepared);
        if (status === 'refused' || status === 'failed') return `${kind} ${status} ${code}`;
        if (status !== 'pending')
          return `${kind} ${status}${outcome?.reapplied === true ? ' again' : ''}`;
      }
      return `${kind} without an outcome`;
    } catch {
      return `${kind} ${NOT_PREPARED}`; // paused, no agent there, or no controller
    }
  }

  #count(what: string): void {
    this.#tally.set(what, (this.#tally.get(what) ?? 0) + 1);
  }
}
