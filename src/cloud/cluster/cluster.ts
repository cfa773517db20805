import { randomUUID } from 'node:crypto';
import { messageOf } from '../../support/errors.ts';
import { CLOSE_CODES } from '../../protocol/messages.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import type { ServiceKeys } from '../keys/service-keys.ts';
import { LiveSessions } from '../link/live-sessions.ts';
import { postgresStore } from '../store/postgres.ts';
import type { PostgresPlace } from '../store/postgres-place.ts';
import type { Nodes } from '../store/nodes.ts';
import type { Store } from '../store/store.ts';
import type { AgentSessions } from '../writeback/agent-session.ts';
import type { Core } from '../writeback/core.ts';
import type { Dispatcher } from '../writeback/dispatcher.ts';
import { renewSession } from '../writeback/standing.ts';
import { answerCall } from './answer-calls.ts';
import { ClusterRelay, nodesOf } from './cluster-relay.ts';
import { clusterSessions } from './cluster-sessions.ts';
import { DispatchDesk } from './dispatch-desk.ts';
import { HintLine } from './hint-line.ts';
import type { Hint, HintKind } from './hints.ts';
import { BEAT_MS, Judgement, LEASE_MS } from './lease.ts';
import { NodeCalls } from './node-calls.ts';
import { NodeClocks } from './node-clocks.ts';
import { OwnSessions } from './own-sessions.ts';
import { RemoteSessions } from './remote-sessions.ts';
import { takeOverOrphans } from './take-over.ts';

/** A decision on an agent that is this old has reached every node, or the agent has said hello since. */
const DECIDED_WITHIN_MS = 3600_000;

/** The service is there; this node was taken for dead (RFC 6455 registry: service restart). */
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

interface Bound {
  readonly core: Core;
  readonly dispatcher: Dispatcher;
  readonly desk: DispatchDesk;
}

/** This process among the others that share the database. */
export class Cluster {
  readonly live: LiveSessions;
  readonly sessions: AgentSessions;
  readonly relay: ClusterRelay;
  readonly #options: ClusterOptions;
  readonly #duties: Store;
  readonly #nodes: Nodes;
  readonly #line: HintLine;
  readonly #calls: NodeCalls;
  readonly #clocks = new NodeClocks();
  readonly #own: OwnSessions;
  readonly #remote: RemoteSessions;
  readonly #judgement: Judgement;
  readonly #stopping = new AbortController();
  readonly #hinted = new Set<string>();
  #others: ReadonlySet<string> = new Set();
  #id: string = randomUUID();
  #bound: Bound | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  #problem = '';

  constructor(options: ClusterOptions) {
    const { store, place, clock, log, random } = options;
    this.#options = options;
    this.#duties = postgresStore({ ...place, poolSize: OWN_CONNECTIONS });
    this.#nodes = nodesOf(this.#duties);
    this.#judgement = new Judgement(clock.monotonic());
    const own = (): string => this.#id;
    const tell = (kind: HintKind, id: string, node?: string): void => {
      this.#tell(kind, id, node);
    };
    this.#line = new HintLine(this.#id, {
      place,
      clock,
      log,
      random,
      onHint: (hint) =>
        void this.#onHint(hint).catch((error: unknown) => {
          this.#trouble(error);
        }),
      onUp: () =>
        void this.#sweep().catch((error: unknown) => {
          this.#trouble(error);
        }),
    });
    this.#own = new OwnSessions({
      nodes: nodesOf(store),
      calls: () => this.#calls,
      clock,
      own,
      tell: (agent) => {
        tell('session', agent);
      },
    });
    this.live = new LiveSessions(this.#own);
    this.#calls = new NodeCalls({
      calls: nodesOf(store).calls,
      own,
      tell,
      answer: (call, signal) => answerCall(this.live, call, signal),
    });
    this.#remote = new RemoteSessions({ calls: this.#calls, clocks: this.#clocks, clock });
    this.sessions = clusterSessions({
      live: this.live,
      remote: this.#remote,
      onApproved: (agent) => void this.#own.changed(agent),
    });
    this.relay = new ClusterRelay({ store, keys: options.keys, clock, own, tell });
  }

  /** Joins the others, and works with them from then on. Rejects with `StoreError`. */
  async start(core: Core, dispatcher: Dispatcher): Promise<void> {
    const desk = new DispatchDesk({
      core,
      nodes: nodesOf(core.store),
      live: this.live,
      own: () => this.#id,
      tell: (operation) => {
        this.#tell('operation', operation);
      },
      stopping: this.#stopping.signal,
    });
    this.#bound = { core, dispatcher, desk };
    await this.#join();
    await this.#look();
    this.#line.start();
    this.#loops = Promise.all([this.#every(() => this.#beat()), this.#every(() => this.#sweep())]);
  }

  /** Gives what other nodes have handed over `ms` to end. */
  async drain(ms: number): Promise<void> {
    const over = new AbortController();
    const late = this.#options.clock.sleep(ms, over.signal);
    await Promise.race([this.#bound?.desk.idle(), late]);
    over.abort();
  }

  /** Leaves: the others take over at once what is left. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.#nodes.nodes.end([this.#id]).catch(() => undefined); // else the lease ends by itself
    this.#tell('node', this.#id);
    await this.#line.close();
    await this.#duties[Symbol.asyncDispose]();
  }

  async #join(): Promise<void> {
    const { clock, log } = this.#options;
    await this.#nodes.nodes.join(this.#id, clock.monotonic());
    log.info('cloud.node_joined', { node: this.#id });
  }

  async #beat(): Promise<void> {
    const { clock } = this.#options;
    const isThere = await this.#nodes.nodes.beat(this.#id, clock.monotonic());
    if (!isThere) {
      await this.#rejoin();
      return;
    }
    this.#judgement.beaten(clock.monotonic());
    this.#tell('node', this.#id);
  }

  /** What this node had is the others' by now: its agents dial again, and nothing goes on here. */
  async #rejoin(): Promise<void> {
    this.#options.log.error('cloud.node_expelled', { node: this.#id });
    this.#bound?.dispatcher.letGo();
    for (const session of this.live.all())
      session.close(EXPELLED, 'taken for dead by another node');
    this.#id = randomUUID();
    await this.#join();
    this.#line.rename(this.#id);
  }

  /** Finds out who is there, and takes over from who is not. */
  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    const found = await this.#nodes.nodes.list(LEASE_MS);
    const now = clock.monotonic();
    for (const { id, monotonicMs } of found) this.#clocks.note(id, monotonicMs, now);
    const late = found.filter(({ id, isLate }) => isLate && id !== this.#id).map(({ id }) => id);
    const ended = this.#judgement.mayJudge(now) ? await this.#nodes.nodes.end(late) : [];
    for (const node of ended) log.warn('cloud.node_lost', { node });
    const here = new Set(found.map(({ id }) => id).filter((id) => !ended.includes(id)));
    for (const node of this.#others) if (!here.has(node)) this.#remote.dropNode(node);
    for (const node of ended) this.#tell('node', node);
    this.#clocks.keep(here);
    this.#others = new Set([...here].filter((id) => id !== this.#id));
    await this.#takeOver();
  }

  async #takeOver(): Promise<void> {
    const { store, clock, log } = this.#options;
    const taken = await takeOverOrphans({
      store,
      orphans: await this.#nodes.runners.orphans(),
      own: this.#id,
      now: clock.now(),
    });
    for (const { id, runner } of taken.elsewhere) this.#tell('run', id, runner);
    if (taken.own.length === 0) return;
    log.info('cloud.operations_taken_over', { count: taken.own.length });
    await this.#bound?.dispatcher.adoptById(taken.own);
  }

  /** Everything that a hint may not have come of. Never rejects. */
  async #sweep(): Promise<void> {
    const { core, dispatcher, desk } = this.#bound ?? {};
    if (core === undefined || dispatcher === undefined || desk === undefined) return;
    await this.#look();
    await this.#own.sweep();
    await this.#compareRemote();
    await desk.sweep();
    await this.#calls.sweep();
    const runs = await this.#nodes.runners.of(this.#id);
    await dispatcher.adoptById(runs.filter((id) => !dispatcher.isBusyWith(id)));
    for (const changed of await this.#nodes.runners.decided(dispatcher.awaited)) {
      if (!this.relay.wake(changed.id)) dispatcher.hear(changed);
    }
    await this.#applyDecisions(core);
    await this.#nodes.nodes.forget();
    this.#problem = '';
  }

  async #compareRemote(): Promise<void> {
    const { sessions } = this.#nodes;
    const stored = await sessions.fingerprint(this.#id, 'others');
    const known = this.#remote.fingerprint();
    if (stored.count === known.count && stored.sum === known.sum) return;
    this.#remote.replace(this.#there(await sessions.list(this.#id, 'others')));
  }

  /** What a person has decided elsewhere. */
  async #applyDecisions(core: Core): Promise<void> {
    const { clock } = this.#options;
    for (const { id, state } of await core.store.agents.decided(clock.now() - DECIDED_WITHIN_MS)) {
      const session = this.live.find(id);
      if (session === undefined) continue;
      if (state === 'revoked') this.live.disconnect(id, CLOSE_CODES.revoked, 'revoked');
      if (state !== 'approved' || session.approved) continue;
      this.live.approve(id);
      await this.#own.changed(id);
      await renewSession(core, session);
    }
  }

  async #onHint({ kind, id }: Hint): Promise<void> {
    const { core, dispatcher, desk } = this.#bound ?? {};
    if (core === undefined || dispatcher === undefined || desk === undefined) return;
    switch (kind) {
      case 'operation':
        if (this.relay.wake(id) || !dispatcher.isAwaited(id)) return;
        for (const changed of await this.#nodes.runners.decided([id])) dispatcher.hear(changed);
        return;
      case 'session':
        await this.#onSessionHint(id);
        return;
      case 'node':
        await this.#look();
        return;
      case 'dispatch':
        await desk.take(id);
        return;
      case 'run':
        if (!dispatcher.isBusyWith(id)) await dispatcher.adoptById([id]);
        return;
      case 'call':
        await this.#calls.onCall(id);
        return;
      case 'answer':
        await this.#calls.onAnswer(id);
        return;
    }
  }

  /** Many come at one time when a node has gone: they are looked up together. */
  async #onSessionHint(agent: string): Promise<void> {
    this.#hinted.add(agent);
    if (this.#hinted.size > 1) return;
    await Promise.resolve();
    const agents = [...this.#hinted];
    this.#hinted.clear();
    this.#remote.take(agents, this.#there(await this.#own.look(agents)));
  }

  /** The rows of sockets that other nodes have. */
  #there<T extends { readonly node: string; readonly session: string }>(rows: readonly T[]): T[] {
    return rows.filter(({ node, session }) => node !== this.#id && session !== '');
  }

  #tell(kind: HintKind, id: string, node?: string): void {
    if (this.#others.size > 0 || kind === 'node') this.#line.send({ kind, id }, node);
  }

  async #every(work: () => Promise<void>): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await work().catch((error: unknown) => {
        this.#trouble(error);
      });
      await clock.sleep(BEAT_MS, signal);
    }
  }

  /** Said once, not every two seconds. */
  #trouble(error: unknown): void {
    const problem = messageOf(error);
    if (problem !== this.#problem) this.#options.log.error('cloud.node_trouble', { problem });
    this.#problem = problem;
  }
}
