import { UnansweredError } from '../../protocol/rpc.ts';
import type { PublicKey } from '../../protocol/keys.ts';
import type { Standing } from '../../protocol/messages.ts';
import type { Clock } from '../../support/clock.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type { StoredSession } from '../store/nodes.ts';
import type { AgentSession } from '../writeback/agent-session.ts';
import type { Call, NodeCalls } from './node-calls.ts';
import type { NodeClocks } from './node-clocks.ts';

/** Until the node that has the socket has put something on the wire. */
const ON_ITS_WAY_MS = 3_000;

export interface RemoteOptions {
  readonly calls: NodeCalls;
  readonly clocks: NodeClocks;
  readonly clock: Clock;
}

/** An agent's session whose socket another node has. */
export class RemoteSession implements AgentSession {
  readonly id: string;
  readonly agentId: string;
  readonly directory: string;
  readonly deviceKey: PublicKey;
  readonly node: string;
  /** The other node says so by the approval that it tells of, and hands nothing more to the agent. */
  readonly leaving = false;
  readonly #options: RemoteOptions;
  readonly #closed = new AbortController();
  #row: StoredSession;

  constructor(row: StoredSession, options: RemoteOptions) {
    this.id = row.session;
    this.agentId = row.agent;
    this.directory = row.directory;
    this.deviceKey = row.deviceKey;
    this.node = row.node;
    this.#row = row;
    this.#options = options;
  }

  get healthy(): boolean {
    return this.#row.healthy;
  }

  get approved(): boolean {
    return this.#row.approved;
  }

  get epoch(): number {
    return this.#row.epoch;
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  agentMonotonicMs(): number {
    const { clocks, clock } = this.#options;
    const there = clocks.read(this.node, clock.monotonic());
    // Nothing known: a command that looks as old as can be is refused and given again, never done late.
    return there === undefined ? 0 : Math.max(0, Math.floor(there + this.#row.aheadMs));
  }

  inspect(request: string, signal: AbortSignal): Promise<string> {
    return this.#ask({ ...this.#who, type: 'inspect', request }, signal);
  }

  execute(): Promise<string> {
    return Promise.reject(new TypeError('execute: a dispatch goes to another node by its row'));
  }

  async setToggle(toggle: string, signal: AbortSignal): Promise<void> {
    await this.#ask({ ...this.#who, type: 'toggle', toggle }, signal);
  }

  /** Resolves when the other node has put the question on the wire, or does not say so in time. */
  async renew(standing: Standing): Promise<void> {
    await this.#tell({ ...this.#who, type: 'renew', standing });
  }

  close(code: number, reason: string): void {
    void this.#tell({ ...this.#who, type: 'close', code, reason });
  }

  /** Takes what its node says of it now. */
  update(row: StoredSession): void {
    if (row.epoch >= this.#row.epoch) this.#row = row;
  }

  /** A person has approved the agent; the other node hears of it by the renewal that follows. */
  approve(): void {
    this.#row = { ...this.#row, approved: true };
  }

  /** The session is no more. */
  end(): void {
    this.#closed.abort();
  }

  get #who(): { readonly agent: string; readonly session: string } {
    return { agent: this.agentId, session: this.id };
  }

  async #ask(call: Call, signal: AbortSignal): Promise<string> {
    if (this.closed.aborted) throw new UnansweredError('the session is gone');
    return this.#options.calls.ask(this.node, call, [signal, this.closed]);
  }

  /** What fails is found by the sweep of the other node, or does not matter any more. */
  async #tell(call: Call): Promise<void> {
    try {
      await withDeadline(ON_ITS_WAY_MS, this.closed, (signal) => this.#ask(call, signal));
    } catch {
      // See above.
    }
  }
}
