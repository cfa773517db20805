import { messageOf } from '../../support/errors.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import type { Round } from '../../support/rounds.ts';
import type { ServiceKeys } from '../keys/service-keys.ts';
import { LiveSessions } from '../link/live-sessions.ts';
import { postgresStore } from '../store/postgres.ts';
import type { PostgresPlace } from '../store/postgres-place.ts';
import type { Store } from '../store/store.ts';
import type { AgentSessions } from '../writeback/agent-session.ts';
import type { Core } from '../writeback/core.ts';
import type { Dispatcher } from '../writeback/dispatcher.ts';
import { answerCall } from './answer-calls.ts';
import { ClusterDuties } from './cluster-duties.ts';
import { ClusterRelay, nodesOf } from './cluster-relay.ts';
import { clusterSessions } from './cluster-sessions.ts';
import { HintLine } from './hint-line.ts';
import type { HintKind } from './hints.ts';
import { BEAT_MS } from './lease.ts';
import { Membership } from './membership.ts';
import { NodeCalls, type Answering } from './node-calls.ts';
import { OwnSessions } from './own-sessions.ts';
import { RemoteSessions } from './remote-sessions.ts';

/** The service is there, but this node was taken for dead (IANA's WebSocket close codes: service restart). */
const EXPELLED = 1012;

/** Signs of life and sweeps do not wait for a connection behind what callers ask for. */
const OWN_CONNECTIONS = 2;

export interface ClusterOptions {
  readonly store: Store;
  readonly place: PostgresPlace;
  readonly keys: () => ServiceKeys;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

/** This process among the others that share the database. */
export class Cluster {
  readonly live: LiveSessions;
  readonly sessions: AgentSessions;
  readonly relay: ClusterRelay;
  readonly #options: ClusterOptions;
  readonly #store: Store;
  readonly #membership: Membership;
  readonly #line: HintLine;
  readonly #calls: NodeCalls;
  readonly #own: OwnSessions;
  readonly #remote: RemoteSessions;
  readonly #stopping = new AbortController();
  #duties: ClusterDuties | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  /** What hints have begun. */
  readonly #underWay = new Set<Promise<void>>();
  #problem = '';

  constructor(options: ClusterOptions) {
    const { store, place, clock, log, random, keys } = options;
    const nodes = nodesOf(store);
    this.#options = options;
    this.#store = postgresStore({ ...place, poolSize: OWN_CONNECTIONS });
    const own = (): string => this.#membership.id;
    const tell = (kind: HintKind, id: string, node?: string): void => {
      this.#tell(kind, id, node);
    };
    const tellSession = (agent: string): void => {
      tell('session', agent);
    };
    this.#line = new HintLine({
      place,
      clock,
      log,
      random,
      onHint: ({ kind, id }) => {
        this.#try(this.#duties?.onHint(kind, id));
      },
      onUp: () => {
        tell('node', own());
        this.#try(this.#duties?.sweep());
      },
    });
    this.#own = new OwnSessions({ nodes, calls: () => this.#calls, clock, own, tell: tellSession });
    this.live = new LiveSessions(this.#own);
    const answer: Answering = (call, signal) => answerCall(this.live, call, signal);
    this.#calls = new NodeCalls({ calls: nodes.calls, own, tell, answer });
    this.#membership = this.#joinWith(tell);
    const { clocks } = this.#membership;
    this.#remote = new RemoteSessions({ calls: this.#calls, clocks, clock });
    this.sessions = clusterSessions({
      live: this.live,
      remote: this.#remote,
      onApproved: (agent) => {
        this.#try(this.#own.changed(agent));
      },
    });
    this.relay = new ClusterRelay({ store, keys, clock, own, tell });
  }

  /** Which of the nodes this one is. */
  get id(): string {
    return this.#membership.id;
  }

  /** Joins the others, and works with them from then on. Rejects with `StoreError`. */
  async start(core: Core, dispatcher: Dispatcher): Promise<void> {
    this.#duties = new ClusterDuties({
      core,
      dispatcher,
      nodes: nodesOf(this.#store),
      membership: this.#membership,
      live: this.live,
      remote: this.#remote,
      own: this.#own,
      calls: this.#calls,
      relay: this.relay,
      tell: (kind, id, node) => {
        this.#tell(kind, id, node);
      },
      stopping: this.#stopping.signal,
    });
    const duties = this.#duties;
    this.relay.bind((id) => dispatcher.isBusyWith(id));
    await this.#membership.join();
    await duties.look();
    this.#line.start();
    this.#loops = Promise.all([
      this.#every(core.rounds.begin('the sign of life to other nodes'), () =>
        this.#membership.beat(),
      ),
      this.#every(core.rounds.begin('the sweep for other nodes'), async () => {
        await duties.sweep();
        this.#problem = '';
      }),
    ]);
  }

  /** Gives what other nodes have handed over `ms` to end. */
  async drain(ms: number): Promise<void> {
    const over = new AbortController();
    const late = this.#options.clock.sleep(ms, over.signal);
    await Promise.race([this.#duties?.desk.idle(), late]);
    over.abort();
  }

  /** Leaves: the others take over at once what is left. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.#membership.leave().catch((error: unknown) => {
      this.#trouble(error); // then the lease ends by itself
    });
    await this.#line.close();
    // Others that stop at the same time say so until the end: whoever still looks needs the database.
    await Promise.all(this.#underWay);
    await this.#store[Symbol.asyncDispose]();
  }

  #joinWith(tell: (kind: HintKind, id: string) => void): Membership {
    const { clock, log } = this.#options;
    return new Membership({
      nodes: nodesOf(this.#store).nodes,
      clock,
      log,
      tell: (node) => {
        tell('node', node);
      },
      onGone: (node) => {
        this.#remote.dropNode(node);
      },
      onExpelled: () => {
        this.#duties?.letGo();
        for (const session of this.live.all()) session.close(EXPELLED, 'taken for dead');
      },
      onJoined: (id) => {
        this.#line.rename(id);
      },
    });
  }

  #tell(kind: HintKind, id: string, node?: string): void {
    if (this.#membership.others.size > 0 || kind === 'node') this.#line.send({ kind, id }, node);
  }

  async #every(begun: Round, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    using round = begun;
    while (!signal.aborted) {
      round.turned();
      await work().catch((error: unknown) => {
        this.#trouble(error);
      });
      await this.#options.clock.sleep(BEAT_MS, signal);
    }
  }

  #try(work: Promise<void> = Promise.resolve()): void {
    const tried = work
      .catch((error: unknown) => {
        this.#trouble(error);
      })
      .finally(() => this.#underWay.delete(tried));
    this.#underWay.add(tried);
  }

  /** Said once, not every two seconds. */
  #trouble(error: unknown): void {
    const problem = messageOf(error);
    if (problem !== this.#problem) this.#options.log.error('cloud.node_trouble', { problem });
    this.#problem = problem;
  }
}
