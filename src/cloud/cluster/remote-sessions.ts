import type { StoredSession } from '../store/nodes.ts';
import { RemoteSession, type RemoteOptions } from './remote-session.ts';

/** The sessions of the other nodes, as their rows say. */
export class RemoteSessions {
  readonly #options: RemoteOptions;
  readonly #byAgent = new Map<string, RemoteSession>();
  readonly #byDirectory = new Map<string, Set<RemoteSession>>();
  readonly #listeners = new Set<() => void>();

  constructor(options: RemoteOptions) {
    this.#options = options;
  }

  find(agent: string): RemoteSession | undefined {
    return this.#byAgent.get(agent);
  }

  of(directory: string): readonly RemoteSession[] {
    return [...(this.#byDirectory.get(directory) ?? [])];
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** How many there are, and the sum of their epochs. */
  fingerprint(): { readonly count: number; readonly sum: number } {
    let sum = 0;
    for (const { epoch } of this.#byAgent.values()) sum += epoch;
    return { count: this.#byAgent.size, sum };
  }

  /** Takes what there is now of these agents; of whom there is no row, there is no session. */
  take(agents: readonly string[], rows: readonly StoredSession[]): void {
    const found = new Map(rows.map((row) => [row.agent, row]));
    for (const agent of agents) this.#set(agent, found.get(agent));
    this.#changed();
  }

  /** Takes all that there is now. */
  replace(rows: readonly StoredSession[]): void {
    this.take([...new Set([...this.#byAgent.keys(), ...rows.map(({ agent }) => agent)])], rows);
  }

  /** A node is gone, and its sockets with it. */
  dropNode(node: string): void {
    const gone = [...this.#byAgent.values()].filter((session) => session.node === node);
    for (const { agentId } of gone) this.#set(agentId, undefined);
    if (gone.length > 0) this.#changed();
  }

  #set(agent: string, row: StoredSession | undefined): void {
    const before = this.#byAgent.get(agent);
    if (before !== undefined && before.id === row?.session && before.node === row.node) {
      before.update(row);
      return;
    }
    if (before !== undefined) {
      this.#byAgent.delete(agent);
      this.#byDirectory.get(before.directory)?.delete(before);
      before.end();
    }
    if (row === undefined) return;
    const session = new RemoteSession(row, this.#options);
    this.#byAgent.set(agent, session);
    const others = this.#byDirectory.get(row.directory) ?? new Set();
    this.#byDirectory.set(row.directory, others.add(session));
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
