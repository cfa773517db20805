import { CLOSE_CODES } from '../../protocol/messages.ts';
import type { AgentSessions } from '../writeback/agent-session.ts';
import type { LinkSession } from './link-session.ts';

const PROBE_WITHIN_MS = 2_000;

export type SessionState = 'greeting' | 'unapproved' | 'working' | 'unwell';

/** The sessions that other nodes have. */
export interface Elsewhere {
  /** Whether an agent may open a session here, as `makeRoom`. */
  makeRoom(agentId: string): Promise<boolean>;
  /** Makes a session known to the other nodes; false when one of them has another of its agent by now. */
  enter(session: LinkSession): Promise<boolean>;
}

const NOWHERE: Elsewhere = {
  makeRoom: () => Promise.resolve(true),
  enter: () => Promise.resolve(true),
};

/** Who is connected to this node: at most one session of an agent. */
export class LiveSessions implements AgentSessions {
  readonly #elsewhere: Elsewhere;
  readonly #open = new Map<string, LinkSession>();
  readonly #ready = new Map<string, LinkSession>();
  readonly #listeners = new Set<() => void>();

  constructor(elsewhere = NOWHERE) {
    this.#elsewhere = elsewhere;
  }

  find(agentId: string): LinkSession | undefined {
    const session = this.#ready.get(agentId);
    return session?.isOpen === true ? session : undefined;
  }

  own(): readonly LinkSession[] {
    return [...this.#ready.values()].filter((session) => session.isOpen);
  }

  welcomed(directory: string): readonly LinkSession[] {
    return this.own().filter((session) => session.directory === directory);
  }

  approved(directory: string): readonly LinkSession[] {
    return this.welcomed(directory).filter(({ approved, leaving }) => approved && !leaving);
  }

  approve(agentId: string): void {
    const session = this.#open.get(agentId);
    if (session === undefined) return;
    session.approved = true;
    this.#changed();
  }

  disconnect(agentId: string, code: number, reason: string): void {
    const session = this.#open.get(agentId);
    if (session === undefined) return;
    session.approved = false;
    session.close(code, reason);
    this.#changed();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Whether an agent may open a session: false when it has one whose other end is alive. A dead one is cut off. */
  async makeRoom(agentId: string): Promise<boolean> {
    const before = this.#open.get(agentId);
    if (before === undefined) return this.#elsewhere.makeRoom(agentId);
    if (await before.probe(PROBE_WITHIN_MS)) return false;
    before.close(CLOSE_CODES.superseded, 'superseded by a newer session');
    before.terminate();
    this.#remove(before);
    return this.#open.get(agentId) === undefined;
  }

  /** Whether the session is the one of its agent, on all nodes; to be asked before it is welcomed. */
  enter(session: LinkSession): Promise<boolean> {
    return this.#elsewhere.enter(session);
  }

  /** Registers a session that just opened; false when another one of its agent was faster. */
  add(session: LinkSession): boolean {
    if (this.#open.has(session.agentId)) return false;
    this.#open.set(session.agentId, session);
    session.closed.addEventListener(
      'abort',
      () => {
        this.#remove(session);
      },
      { once: true },
    );
    return true;
  }

  /** The session has been welcomed: from now on it can be asked. */
  ready(session: LinkSession): void {
    if (session.closed.aborted || this.#open.get(session.agentId) !== session) return;
    this.#ready.set(session.agentId, session);
    this.#changed();
  }

  /** Every connection with its state. */
  census(): readonly { readonly directory: string; readonly state: SessionState }[] {
    return this.all().map((session) => ({
      directory: session.directory,
      state: this.#stateOf(session),
    }));
  }

  all(): readonly LinkSession[] {
    return [...this.#open.values()];
  }

  #stateOf(session: LinkSession): SessionState {
    if (this.#ready.get(session.agentId) !== session) return 'greeting';
    if (!session.approved) return 'unapproved';
    return session.healthy ? 'working' : 'unwell';
  }

  #remove(session: LinkSession): void {
    if (this.#open.get(session.agentId) === session) this.#open.delete(session.agentId);
    if (this.#ready.get(session.agentId) !== session) return;
    this.#ready.delete(session.agentId);
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
