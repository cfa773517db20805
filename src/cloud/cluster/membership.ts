import { randomUUID } from 'node:crypto';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import type { NodeTable } from '../store/nodes.ts';
import { Judgement, LEASE_MS } from './lease.ts';
import { NodeClocks } from './node-clocks.ts';

export interface MembershipOptions {
  readonly nodes: NodeTable;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tells all to look who is there. */
  readonly tell: (node: string) => void;
  /** A node is not there any more. */
  readonly onGone: (node: string) => void;
  /** This node was taken for dead: what it had is the others' by now. */
  readonly onExpelled: () => void;
  /** It goes by another name from now on. */
  readonly onJoined: (id: string) => void;
}

/** Which nodes there are, and this one among them. */
export class Membership {
  readonly clocks = new NodeClocks();
  readonly #options: MembershipOptions;
  readonly #judgement: Judgement;
  #id: string = randomUUID();
  #others: ReadonlySet<string> = new Set();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#judgement = new Judgement(options.clock.monotonic());
  }

  get id(): string {
    return this.#id;
  }

  /** The other nodes, as of the last look. */
  get others(): ReadonlySet<string> {
    return this.#others;
  }

  async join(): Promise<void> {
    const { nodes, clock, log, onJoined } = this.#options;
    await nodes.join(this.#id, clock.monotonic());
    log.info('cloud.node_joined', { node: this.#id });
    onJoined(this.#id);
  }

  /** Gives a sign of life. A node that the others have ended joins anew, as another one. */
  async beat(): Promise<void> {
    const { nodes, clock, log, onExpelled, tell } = this.#options;
    if (await nodes.beat(this.#id, clock.monotonic())) {
      this.#judgement.beaten(clock.monotonic());
      tell(this.#id);
      return;
    }
    log.error('cloud.node_expelled', { node: this.#id });
    onExpelled();
    this.#id = randomUUID();
    await this.join();
  }

  /** Finds out who is there, and ends who gives no sign of life. */
  async look(): Promise<void> {
    const { nodes, clock, log, tell, onGone } = this.#options;
    const found = await nodes.list(LEASE_MS);
    const now = clock.monotonic();
    const others = found.filter(({ id }) => id !== this.#id);
    for (const { id, monotonicMs } of others) this.clocks.note(id, monotonicMs, now);
    const late = others.filter(({ isLate }) => isLate).map(({ id }) => id);
    const ended = this.#judgement.mayJudge(now) ? await nodes.end(late) : [];
    for (const node of ended) {
      log.warn('cloud.node_lost', { node });
      tell(node);
    }
    const here = new Set(others.map(({ id }) => id).filter((id) => !ended.includes(id)));
    for (const node of this.#others) if (!here.has(node)) onGone(node);
    this.clocks.keep(here);
    this.#others = here;
  }

  /** The others take over at once what is left. */
  async leave(): Promise<void> {
    await this.#options.nodes.end([this.#id]);
    this.#options.tell(this.#id);
  }
}
