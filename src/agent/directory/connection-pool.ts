import type { Clock } from '../../support/clock.ts';
import { ConnectionError } from './connection-error.ts';
import { within, type Late } from './deadline.ts';
import { Semaphore } from './semaphore.ts';

/** A domain controller drops what is idle for 15 min (MaxConnIdleTime), firewalls often earlier. */
const IDLE_MS = 5 * 60_000;
const MAX_AGE_MS = 30 * 60_000;

/** After so long, whoever gets a connection first learns whether the other end still lives. */
const TRUSTED_IDLE_MS = 15_000;

/** What the pool has to know of a connection. */
export interface Pooled {
  /** Nobody is waiting on it, and it is as good as when it was made. */
  readonly usable: boolean;
  readonly idleMs: number;
  readonly ageMs: number;
  /** Never rejects. */
  close(): Promise<void>;
  destroy(problem: string): void;
}

export interface PoolOptions<C extends Pooled> {
  readonly open: (signal: AbortSignal) => Promise<C>;
  /** Rejects when the connection is dead. */
  readonly probe: (connection: C, signal: AbortSignal) => Promise<void>;
  readonly size: number;
  /** How long a caller waits for its turn. */
  readonly waitMs: number;
  readonly clock: Clock;
}

/** Connected and bound connections to one controller, each lent to one user at a time. */
export class ConnectionPool<C extends Pooled> {
  readonly #options: PoolOptions<C>;
  readonly #turns: Semaphore;
  readonly #closing = new AbortController();
  #idle: C[] = [];
  #open = 0;
  #sweeping = false;
  #warming = false;

  constructor(options: PoolOptions<C>) {
    this.#options = options;
    this.#turns = new Semaphore(options.size);
  }

  /**
   * Lends a connection for as long as `work` takes, and settles as it does. Rejects before `work`
   * has begun with a `ConnectionError` or the error of `open`.
   */
  async use<T>(work: (connection: C) => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#turn(signal);
    try {
      const connection = await this.#take(signal);
      try {
        return await work(connection);
      } finally {
        this.#putBack(connection);
      }
    } finally {
      this.#turns.release();
    }
  }

  /** Opens a connection for a use that is about to come, if there is none. Never rejects. */
  async warm(): Promise<void> {
    const lent = this.#open - this.#idle.length;
    const ready = lent > 0 || this.#idle.some((connection) => this.#isFresh(connection));
    if (ready || this.#warming) return;
    this.#warming = true;
    // Whoever uses the pool next meets the same error and reports it.
    await this.use(() => Promise.resolve(), this.#closing.signal).catch(() => undefined);
    this.#warming = false;
  }

  /** Closes what is idle; what is lent is closed when it comes back unusable. */
  async drop(): Promise<void> {
    const idle = this.#idle;
    this.#idle = [];
    this.#open -= idle.length;
    await Promise.all(idle.map((connection) => connection.close()));
  }

  /** Lends nothing any more, and closes everything as it comes back. Never rejects. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.drop();
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const giveUp = new AbortController();
    const { waitMs: ms, clock } = this.#options;
    const turn = this.#turns.acquire(giveUp.signal);
    const late = (why: Late): Error =>
      why === 'timeout'
        ? new ConnectionError('busy', `all connections were busy for ${ms} ms`)
        : new ConnectionError('connect', 'stopped');
    try {
      await within(turn, { ms, clock, signal }, late);
    } catch (error) {
      giveUp.abort();
      // It may have come in the very moment of giving up.
      turn.then(
        () => {
          this.#turns.release();
        },
        () => undefined,
      );
      throw error;
    }
  }

  async #take(signal: AbortSignal): Promise<C> {
    if (this.#closing.signal.aborted) throw new ConnectionError('connect', 'closed');
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) break;
      if (await this.#isAlive(connection, signal)) return connection;
      this.#open -= 1;
    }
    this.#open += 1;
    try {
      return await this.#options.open(signal);
    } catch (error) {
      this.#open -= 1;
      throw error;
    }
  }

  async #isAlive(connection: C, signal: AbortSignal): Promise<boolean> {
    if (!this.#isFresh(connection)) {
      await connection.close();
      return false;
    }
    if (connection.idleMs < TRUSTED_IDLE_MS) return true;
    try {
      await this.#options.probe(connection, signal);
      return true;
    } catch {
      connection.destroy('it did not answer a probe');
      return false;
    }
  }

  #isFresh(connection: C): boolean {
    return connection.usable && connection.idleMs < IDLE_MS && connection.ageMs < MAX_AGE_MS;
  }

  #putBack(connection: C): void {
    if (this.#closing.signal.aborted || !this.#isFresh(connection)) {
      this.#open -= 1;
      void connection.close();
      return;
    }
    this.#idle.push(connection);
    if (!this.#sweeping) void this.#sweep();
  }

  // One timer for the whole pool, and none while nothing is idle.
  async #sweep(): Promise<void> {
    this.#sweeping = true;
    while (this.#idle.length > 0 && !this.#closing.signal.aborted) {
      await this.#options.clock.sleep(IDLE_MS / 5, this.#closing.signal);
      const stale = this.#idle.filter((connection) => !this.#isFresh(connection));
      this.#idle = this.#idle.filter((connection) => this.#isFresh(connection));
      this.#open -= stale.length;
      await Promise.all(stale.map((connection) => connection.close()));
    }
    this.#sweeping = false;
  }
}
