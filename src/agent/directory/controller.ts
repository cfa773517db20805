import { ResultCodeError } from 'ldapts';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { toDirectoryError } from './ad-errors.ts';
import { ConnectionError } from './connection-error.ts';
import { ConnectionPool } from './connection-pool.ts';
import { ControllerFacts } from './controller-facts.ts';
import { within } from './deadline.ts';
import { LdapConnection } from './ldap-connection.ts';
import { readCurrentTime } from './queries.ts';
import type { ServiceAccount } from './service-account.ts';
import { requireSuitable } from './suitable.ts';
import { connectTls, type DomainController, type Trust } from './tls-socket.ts';

/** So long after a failure it is not even looked whether it is back. */
const COOL_DOWN_MS = 15_000;

export interface Timeouts {
  /** TCP and TLS together, and the bind after them. */
  readonly connectMs: number;
  /** One search. */
  readonly readMs: number;
  /** One modify, from the moment it is sent. */
  readonly writeMs: number;
  /** How long one controller is waited for before the next one is asked as well. */
  readonly headStartMs: number;
  /** A whole reading, over as many controllers as it takes. */
  readonly totalMs: number;
}

/** What all controllers of a directory share. */
export interface ControllerContext {
  readonly account: ServiceAccount;
  readonly trust: Trust;
  readonly timeouts: Timeouts;
  /** Connections of each kind to each controller. */
  readonly connections: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export type Kind = 'read' | 'write';

/** One domain controller: its connections, how it fares, and what it said that may be remembered. */
export class Controller {
  readonly name: string;
  readonly facts: ControllerFacts;
  readonly #where: DomainController;
  readonly #context: ControllerContext;
  readonly #pools: Readonly<Record<Kind, ConnectionPool<LdapConnection>>>;
  readonly #closing = new AbortController();
  #up: boolean | undefined;
  #behind = false;
  #reviving = false;
  #coolUntil = 0;

  constructor(where: DomainController, context: ControllerContext) {
    this.name = where.name;
    this.facts = new ControllerFacts(context.clock);
    this.#where = where;
    this.#context = context;
    this.#pools = { read: this.#pool(), write: this.#pool() };
  }

  /** It failed, or fell behind others, and has not answered since: nobody should wait for it. */
  get ailing(): boolean {
    return this.#up === false || this.#behind;
  }

  /** Whoever asks it at the moment got the answer elsewhere first. */
  fellBehind(): void {
    this.#behind = true;
  }

  /** Finds out whether it is back, some time after a failure. Never rejects. */
  async revive(): Promise<void> {
    const { clock, timeouts } = this.#context;
    if (this.#up !== false || this.#reviving || clock.monotonic() < this.#coolUntil) return;
    this.#reviving = true;
    const { signal } = this.#closing;
    const look = async (connection: LdapConnection): Promise<void> => {
      const asking = { connection, controller: this.name, ms: timeouts.readMs, signal };
      requireSuitable(this.name, await this.facts.profile(asking));
    };
    // What is wrong with it, if anything is, `use` has noted.
    await this.use('read', look, signal).catch(() => undefined);
    this.#reviving = false;
  }

  /**
   * Lends a connection of this kind to `work`, and settles as it does. Without a connection it
   * rejects before `work` has begun: with a `ConnectionError`, or a `DirectoryError` when the
   * service account is not accepted.
   */
  async use<T>(
    kind: Kind,
    work: (connection: LdapConnection) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    let problem: string | undefined;
    try {
      const result = await this.#pools[kind].use(async (connection) => {
        try {
          return await work(connection);
        } finally {
          problem = connection.problem;
        }
      }, signal);
      if (problem === undefined) this.#answered();
      else this.#failed(problem);
      return result;
    } catch (error) {
      if (error instanceof ConnectionError && error.stage !== 'busy') problem ??= error.message;
      // Who was stopped has learned nothing about the controller.
      if (problem !== undefined && !signal.aborted) this.#failed(problem);
      throw error;
    } finally {
      this.#behind = false;
    }
  }

  /** Opens a connection for a write that is about to come. Never rejects. */
  async warm(): Promise<void> {
    await this.#pools.write.warm();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#pools.read.close(), this.#pools.write.close()]);
  }

  #pool(): ConnectionPool<LdapConnection> {
    const { connections, timeouts, clock } = this.#context;
    return new ConnectionPool({
      open: (signal) => this.#connect(signal),
      probe: async (connection, signal) => {
        await readCurrentTime({
          connection,
          controller: this.name,
          ms: timeouts.connectMs,
          signal,
        });
      },
      size: connections,
      waitMs: timeouts.readMs,
      clock,
    });
  }

  async #connect(signal: AbortSignal): Promise<LdapConnection> {
    const { timeouts, clock, trust } = this.#context;
    const limit = { ms: timeouts.connectMs, clock, signal };
    const { socket } = await connectTls(this.#where, trust, limit);
    const connection = new LdapConnection(socket, this.name, clock);
    try {
      // Others may be binding first, so the outer limit is the longer one.
      await within(this.#bind(connection, signal), { ...limit, ms: 2 * limit.ms }, () => {
        return new ConnectionError(
          'bind',
          `${this.name}: bind: no answer within ${2 * limit.ms} ms`,
        );
      });
      return connection;
    } catch (error) {
      connection.destroy(messageOf(error));
      if (error instanceof ResultCodeError) throw toDirectoryError(error, 'bind', this.name);
      throw error;
    }
  }

  async #bind(connection: LdapConnection, signal: AbortSignal): Promise<void> {
    const { account, timeouts } = this.#context;
    await account.bind(this.name, (user, password) =>
      connection.bind(user, password, { ms: timeouts.connectMs, signal }),
    );
  }

  #answered(): void {
    if (this.#up === true) return;
    this.#up = true;
    this.#context.log.info('directory.up', { controller: this.name });
  }

  #failed(problem: string): void {
    const { clock, log } = this.#context;
    this.#coolUntil = clock.monotonic() + COOL_DOWN_MS;
    this.facts.forget();
    for (const pool of Object.values(this.#pools)) void pool.drop();
    if (this.#up === false) return;
    this.#up = false;
    log.warn('directory.down', { controller: this.name, problem });
  }
}
