import type { LiveSessions } from '../link/live-sessions.ts';
import type { Nodes } from '../store/nodes.ts';
import { barOf, isInService } from '../writeback/admittance.ts';
import type { Core } from '../writeback/core.ts';
import type { Dispatcher } from '../writeback/dispatcher.ts';
import { renewSession } from '../writeback/standing.ts';
import { nodesOf, type ClusterRelay } from './cluster-relay.ts';
import { DispatchDesk } from './dispatch-desk.ts';
import type { HintKind } from './hints.ts';
import type { Membership } from './membership.ts';
import type { NodeCalls } from './node-calls.ts';
import type { OwnSessions } from './own-sessions.ts';
import type { RemoteSessions } from './remote-sessions.ts';
import { takeOverOrphans } from './take-over.ts';

/** A decision on an agent that is this old has reached every node, or the agent has said hello since. */
const DECIDED_WITHIN_MS = 3600_000;

export interface ClusterDutiesOptions {
  readonly core: Core;
  readonly dispatcher: Dispatcher;
  /** On connections of its own. */
  readonly nodes: Nodes;
  readonly membership: Membership;
  readonly live: LiveSessions;
  readonly remote: RemoteSessions;
  readonly own: OwnSessions;
  readonly calls: NodeCalls;
  readonly relay: ClusterRelay;
  readonly tell: (kind: HintKind, id: string, node?: string) => void;
  readonly stopping: AbortSignal;
}

/** What a node does for the others: at once when a hint comes, and within two seconds when none does. */
export class ClusterDuties {
  readonly desk: DispatchDesk;
  readonly #options: ClusterDutiesOptions;
  readonly #onHint: Readonly<Record<HintKind, (id: string) => Promise<void>>>;
  readonly #hinted = new Set<string>();

  constructor(options: ClusterDutiesOptions) {
    const { core, live, membership, tell, stopping, calls } = options;
    this.#options = options;
    this.desk = new DispatchDesk({
      core,
      nodes: nodesOf(core.store),
      live,
      own: () => membership.id,
      tell: (operation) => {
        tell('operation', operation);
      },
      stopping,
    });
    this.#onHint = {
      operation: (id) => this.#onOperation(id),
      session: (agent) => this.#onSession(agent),
      node: () => this.look(),
      dispatch: (jti) => this.desk.take(jti),
      run: (id) => this.#run([id]),
      call: (id) => calls.onCall(id),
      answer: (id) => calls.onAnswer(id),
    };
  }

  /** Looks at what a hint says. Rejects with `StoreError`; then the sweep does it. */
  onHint(kind: HintKind, id: string): Promise<void> {
    return this.#onHint[kind](id);
  }

  /** Finds out who is there, and takes over from who is not. */
  async look(): Promise<void> {
    const { membership, nodes, core, dispatcher, tell } = this.#options;
    await membership.look();
    if (dispatcher.isDraining) return; // the others start what is taken over
    const taken = await takeOverOrphans({
      store: core.store,
      orphans: await nodes.runners.orphans(),
      own: membership.id,
      now: core.clock.now(),
    });
    for (const { id, runner } of taken.elsewhere) tell('run', id, runner);
    if (taken.own.length === 0) return;
    core.log.info('cloud.operations_taken_over', { count: taken.own.length });
    await this.#run(taken.own);
  }

  /** Does everything that a hint may not have come of. */
  async sweep(): Promise<void> {
    const { own, calls, nodes, membership, dispatcher, relay } = this.#options;
    await this.look();
    await own.sweep();
    await this.#compareRemote();
    await this.desk.sweep();
    await calls.sweep();
    await this.#run(await nodes.runners.of(membership.id));
    for (const changed of await nodes.runners.decided(dispatcher.awaited)) {
      if (!relay.wake(changed.id)) dispatcher.hear(changed);
    }
    await this.#applyDecisions();
    await nodes.nodes.forget();
  }

  /** Takes no further step with anything: other nodes do. */
  letGo(): void {
    this.#options.dispatcher.letGo();
  }

  /** Takes care of operations that are this node's. */
  async #run(ids: readonly string[]): Promise<void> {
    const { dispatcher, nodes, core } = this.#options;
    const mine = ids.filter((id) => !dispatcher.isBusyWith(id));
    if (mine.length === 0 || dispatcher.isDraining) return;
    // How long ago another node lost them is by that node's clock: the time that keeps agents apart begins anew.
    await nodes.runners.loseAgain(mine, core.clock.now());
    await dispatcher.adoptById(mine);
  }

  async #onOperation(id: string): Promise<void> {
    const { relay, dispatcher, nodes } = this.#options;
    if (relay.wake(id) || !dispatcher.isAwaited(id)) return;
    for (const changed of await nodes.runners.decided([id])) dispatcher.hear(changed);
  }

  /** Many come at one time when a node has gone: they are looked up together. */
  async #onSession(agent: string): Promise<void> {
    this.#hinted.add(agent);
    if (this.#hinted.size > 1) return;
    await Promise.resolve();
    const agents = [...this.#hinted];
    this.#hinted.clear();
    this.#options.remote.take(agents, this.#there(await this.#options.own.look(agents)));
  }

  async #compareRemote(): Promise<void> {
    const { nodes, membership, remote } = this.#options;
    const stored = await nodes.sessions.fingerprint(membership.id, 'others');
    const known = remote.fingerprint();
    if (stored.count === known.count && stored.sum === known.sum) return;
    remote.replace(this.#there(await nodes.sessions.list(membership.id, 'others')));
  }

  /** The rows of sockets that other nodes have. */
  #there<T extends { readonly node: string; readonly session: string }>(rows: readonly T[]): T[] {
    const { others } = this.#options.membership;
    return rows.filter(({ node, session }) => others.has(node) && session !== '');
  }

  /** What a person has decided on another node, which could not tell. */
  async #applyDecisions(): Promise<void> {
    const { core, live, own } = this.#options;
    const since = core.clock.now() - DECIDED_WITHIN_MS;
    for (const agent of await core.store.agents.decided(since)) {
      const { id } = agent;
      const session = live.find(id);
      if (session === undefined) continue;
      const bar = barOf(agent);
      if (bar !== undefined) live.disconnect(id, bar.closeCode, bar.code);
      if (!isInService(agent) || session.approved) continue;
      live.approve(id);
      await own.changed(id);
      await renewSession(core, session);
    }
  }
}
