import type { SecureContext } from 'node:tls';
import { ResultCodeError } from 'ldapts';
import type { EffectivePolicy } from '../../protocol/account.ts';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import { toDirectoryError } from './ad-errors.ts';
import { ConnectionError } from './connection-error.ts';
import { ConnectionPool } from './connection-pool.ts';
import { within } from './deadline.ts';
import { Expiring } from './expiring.ts';
import { LdapConnection } from './ldap-connection.ts';
import {
  readCurrentTime,
  readDomain,
  readDomainNames,
  readFineGrainedPolicy,
  readInvocationId,
  readProfile,
  type Asking,
  type DomainFacts,
} from './queries.ts';
import type { ControllerProfile } from './root-dse.ts';
import type { ServiceAccount } from './service-account.ts';
import { connectTls, type DomainController } from './tls-socket.ts';

/** After a failure the others are asked first, for so long. */
const COOL_DOWN_MS = 15_000;

const PROFILE_AGE_MS = 10 * 60_000;
const POLICY_AGE_MS = 60_000;
const CLOCK_AGE_MS = 10_000;

export interface Timeouts {
  /** TCP and TLS together, and the bind after them. */
  readonly connectMs: number;
  /** One search. */
  readonly readMs: number;
  /** One modify, from the moment it is sent. */
  readonly writeMs: number;
  /** A whole reading, over as many controllers as it takes. */
  readonly totalMs: number;
}

/** What all controllers of a directory share. */
export interface ControllerContext {
  readonly account: ServiceAccount;
  readonly trust: SecureContext;
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
  readonly #where: DomainController;
  readonly #context: ControllerContext;
  readonly #pools: Readonly<Record<Kind, ConnectionPool<LdapConnection>>>;
  readonly #profile: Expiring<ControllerProfile>;
  readonly #invocationId: Expiring<string | undefined>;
  readonly #clock: Expiring<() => number>;
  readonly #domain: Expiring<DomainFacts>;
  readonly #domainNames: Expiring<readonly string[]>;
  readonly #policies = new Map<string, Expiring<EffectivePolicy>>();
  #up: boolean | undefined;
  #coolUntil = 0;

  constructor(where: DomainController, context: ControllerContext) {
    const { clock } = context;
    this.name = where.name;
    this.#where = where;
    this.#context = context;
    this.#pools = { read: this.#pool(), write: this.#pool() };
    this.#profile = new Expiring(PROFILE_AGE_MS, clock);
    this.#invocationId = new Expiring(PROFILE_AGE_MS, clock);
    this.#clock = new Expiring(CLOCK_AGE_MS, clock);
    this.#domain = new Expiring(POLICY_AGE_MS, clock);
    this.#domainNames = new Expiring(PROFILE_AGE_MS, clock);
  }

  /** It failed a moment ago. */
  get cooling(): boolean {
    return this.#context.clock.monotonic() < this.#coolUntil;
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
      if (error instanceof ConnectionError) problem ??= error.message;
      // Who was stopped has learned nothing about the controller.
      if (problem !== undefined && !signal.aborted) this.#failed(problem);
      throw error;
    }
  }

  /** Opens a connection for a write that is about to come. Never rejects. */
  async warm(): Promise<void> {
    await this.#pools.write.warm();
  }

  profile(asking: Asking): Promise<ControllerProfile> {
    return this.#profile.get(() => readProfile(asking));
  }

  invocationId(asking: Asking, profile: ControllerProfile): Promise<string | undefined> {
    return this.#invocationId.get(() => readInvocationId(asking, profile));
  }

  /** What the controller's clock says now: read a few seconds ago at most, and carried on by ours. */
  clock(asking: Asking): Promise<() => number> {
    const { clock } = this.#context;
    return this.#clock.get(async () => {
      const currentTimeMs = await readCurrentTime(asking);
      const readAt = clock.monotonic();
      return () => Math.round(currentTimeMs + clock.monotonic() - readAt);
    });
  }

  domain(asking: Asking, { domainDn }: ControllerProfile): Promise<DomainFacts> {
    return this.#domain.get(() => readDomain(asking, domainDn));
  }

  domainNames(asking: Asking, profile: ControllerProfile): Promise<readonly string[]> {
    return this.#domainNames.get(() => readDomainNames(asking, profile));
  }

  fineGrainedPolicy(asking: Asking, dn: string): Promise<EffectivePolicy> {
    const known = this.#policies.get(dn) ?? new Expiring(POLICY_AGE_MS, this.#context.clock);
    this.#policies.set(dn, known);
    return known.get(() => readFineGrainedPolicy(asking, dn));
  }

  async close(): Promise<void> {
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
    const connection = new LdapConnection(
      await connectTls(this.#where, trust, limit),
      this.name,
      clock,
    );
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
    this.#coolUntil = 0;
    if (this.#up === true) return;
    this.#up = true;
    this.#context.log.info('directory.up', { controller: this.name });
  }

  #failed(problem: string): void {
    const { clock, log } = this.#context;
    this.#coolUntil = clock.monotonic() + COOL_DOWN_MS;
    // It may come back as another one: restored, renamed, demoted.
    for (const fact of [this.#profile, this.#invocationId, this.#clock]) fact.forget();
    for (const fact of [this.#domain, this.#domainNames]) fact.forget();
    this.#policies.clear();
    for (const pool of Object.values(this.#pools)) void pool.drop();
    if (this.#up === false) return;
    this.#up = false;
    log.warn('directory.down', { controller: this.name, problem });
  }
}
