import { CLOSE_CODES } from '../../protocol/messages.ts';
import { UnansweredError } from '../../protocol/rpc.ts';
import type { Clock } from '../../support/clock.ts';
import { onAbort } from '../../support/on-abort.ts';
import type { LinkSession } from '../link/link-session.ts';
import type { Elsewhere } from '../link/live-sessions.ts';
import type { Nodes, SessionRecord, StoredSession } from '../store/nodes.ts';
import { LEASE_MS } from './lease.ts';
import type { NodeCalls } from './node-calls.ts';

/** The other node gives the socket two seconds for its pong, and without hints it takes four more. */
const PROBE_WITHIN_MS = 6_000;

/** What is stored of an agent's clock is behind by this much, so that it is not written for every trifle. */
const BEHIND_MS = 100;

/** Whoever was let in says hello within this time. */
const HELLO_WITHIN_MS = 30_000;

export interface OwnSessionsOptions {
  readonly nodes: Nodes;
  readonly calls: () => NodeCalls;
  readonly clock: Clock;
  readonly own: () => string;
  /** Tells the others to look at the row of an agent. */
  readonly tell: (agent: string) => void;
}

interface Entered {
  readonly session: LinkSession;
  stored: SessionRecord;
  epoch: number;
}

/** What the other nodes are told of the sockets of this one. */
export class OwnSessions implements Elsewhere {
  readonly #options: OwnSessionsOptions;
  readonly #entered = new Map<string, Entered>();
  /** Agents whose row was taken over for a session that is to come, and since when. */
  readonly #expected = new Map<string, number>();

  constructor(options: OwnSessionsOptions) {
    this.#options = options;
  }

  async makeRoom(agentId: string): Promise<boolean> {
    const { nodes, own, tell } = this.#options;
    const [row] = await nodes.sessions.find([agentId]);
    if (row === undefined || row.node === own()) return true;
    const there = await nodes.nodes.list(LEASE_MS);
    if (!there.some(({ id, isLate }) => id === row.node && !isLate)) return true;
    if (await this.#isAlive(row)) return false;
    // From here on the row is ours: whoever had it finds that out, also when it comes back to life.
    this.#expected.set(agentId, this.#options.clock.monotonic());
    await nodes.sessions.takeOver(agentId, row.session, { node: own(), session: '' });
    tell(agentId);
    return true;
  }

  async enter(session: LinkSession): Promise<boolean> {
    const stored = this.#describe(session);
    const epoch = await this.#options.nodes.sessions.enter(stored, LEASE_MS);
    if (epoch === undefined) return false;
    this.#entered.set(session.agentId, { session, stored, epoch });
    this.#expected.delete(session.agentId);
    onAbort(session.closed, () => void this.#leave(session));
    this.#options.tell(session.agentId);
    return true;
  }

  /** Tells the others what has changed of one session. Never rejects. */
  async changed(agentId: string): Promise<void> {
    const entered = this.#entered.get(agentId);
    if (entered !== undefined) await this.#sync(entered).catch(() => undefined); // the sweep does
  }

  /** Tells the others what has changed, and finds out which sockets have been given up for lost by them. */
  async sweep(): Promise<void> {
    for (const entered of this.#entered.values()) await this.#sync(entered);
    const { nodes, own } = this.#options;
    const { count, sum } = await nodes.sessions.fingerprint(own(), 'own');
    if (count === this.#entered.size && sum === this.#sum()) return;
    await this.#compare(await nodes.sessions.list(own(), 'own'));
  }

  /** Closes the socket of an agent that has its session elsewhere by now; resolves with its rows. */
  async look(agents: readonly string[]): Promise<readonly StoredSession[]> {
    const rows = await this.#options.nodes.sessions.find(agents);
    for (const row of rows) this.#yield(row);
    return rows;
  }

  #yield({ agent, session, epoch }: StoredSession): void {
    const entered = this.#entered.get(agent);
    if (entered === undefined || entered.session.id === session) return;
    if (epoch < entered.epoch) return; // read before this one was entered
    this.#entered.delete(agent);
    entered.session.close(CLOSE_CODES.superseded, 'superseded by a newer session');
  }

  async #compare(rows: readonly StoredSession[]): Promise<void> {
    const { nodes } = this.#options;
    const there = new Map(rows.map((row) => [row.agent, row]));
    const missing = [...this.#entered.values()].filter(
      ({ session }) => there.get(session.agentId)?.session !== session.id,
    );
    await this.look(missing.map(({ session }) => session.agentId));
    for (const entered of missing) {
      // Nobody has taken it over: the table was emptied, as after a crash of the database server.
      const { session } = entered;
      if (this.#entered.get(session.agentId) !== entered || !session.isOpen) continue;
      entered.stored = this.#describe(session);
      const epoch = await nodes.sessions.enter(entered.stored, LEASE_MS);
      if (epoch !== undefined) entered.epoch = epoch;
      this.#options.tell(session.agentId);
    }
    for (const row of rows) {
      const entered = this.#entered.get(row.agent);
      if (entered?.session.id === row.session) entered.epoch = row.epoch;
      if (row.session === '') await this.#giveBack(row.agent);
    }
  }

  /** The session that its row was taken over for has not come. */
  async #giveBack(agent: string): Promise<void> {
    const since = this.#expected.get(agent) ?? Number.NEGATIVE_INFINITY;
    if (this.#options.clock.monotonic() - since < HELLO_WITHIN_MS) return;
    this.#expected.delete(agent);
    await this.#options.nodes.sessions.leave(agent, '');
  }

  async #sync(entered: Entered): Promise<void> {
    const { session, stored } = entered;
    const now = this.#describe(session);
    const isSame =
      now.approved === stored.approved &&
      now.healthy === stored.healthy &&
      Math.abs(now.aheadMs - stored.aheadMs) < BEHIND_MS;
    if (isSame || session.closed.aborted) return;
    entered.stored = now;
    const epoch = await this.#options.nodes.sessions.change(now);
    if (epoch !== undefined) entered.epoch = epoch;
    this.#options.tell(session.agentId);
  }

  async #leave(session: LinkSession): Promise<void> {
    const { nodes, tell } = this.#options;
    if (this.#entered.get(session.agentId)?.session === session) {
      this.#entered.delete(session.agentId);
    }
    // What fails here is found by the others when they ask after the socket, or after this node.
    await nodes.sessions.leave(session.agentId, session.id).catch(() => undefined);
    tell(session.agentId);
  }

  async #isAlive({ node, agent, session }: StoredSession): Promise<boolean> {
    const signal = AbortSignal.timeout(PROBE_WITHIN_MS);
    try {
      return (
        (await this.#options.calls().ask(node, { type: 'probe', agent, session }, [signal])) ===
        'alive'
      );
    } catch (error) {
      if (error instanceof UnansweredError) return false;
      throw error;
    }
  }

  #describe(session: LinkSession): SessionRecord {
    const { clock, own } = this.#options;
    return {
      agent: session.agentId,
      directory: session.directory,
      node: own(),
      session: session.id,
      approved: session.approved && !session.leaving,
      healthy: session.healthy,
      aheadMs: Math.floor(session.agentMonotonicMs() - clock.monotonic()) - BEHIND_MS,
    };
  }

  #sum(): number {
    let sum = 0;
    for (const { epoch } of this.#entered.values()) sum += epoch;
    return sum;
  }
}
