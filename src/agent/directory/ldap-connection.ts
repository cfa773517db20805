import {
  Client,
  ResultCodeError,
  type Change,
  type Control,
  type Entry,
  type SearchOptions,
} from 'ldapts';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import { ConnectionError } from './connection-error.ts';
import type { Pooled } from './connection-pool.ts';
import { within } from './deadline.ts';
import { PduGuard } from './pdu-guard.ts';

/** A thousand groups are 30 kB; whoever announces this much is no directory of ours. */
const MAX_PDU_BYTES = 1024 * 1024;

/** ldapts' own limits, should ours ever fail: they are shorter. */
const BACKSTOP_MS = 60_000;

/** How long to wait for the goodbye of a connection that is closed on purpose. */
const GOODBYE_MS = 1_000;

/** How long to wait for one answer. */
export interface CallLimit {
  readonly ms: number;
  readonly signal: AbortSignal;
}

export interface Search extends SearchOptions {
  readonly controls?: readonly Control[];
}

export interface Modify {
  readonly changes: Change[];
  readonly controls: Control[];
}

/**
 * One TLS socket to one domain controller with one LDAP client on it. It never reconnects: after
 * anything but an answer it is `usable` no more. Results that the server itself gave (ldapts'
 * `ResultCodeError`) reject and leave it usable; everything else is a `ConnectionError`.
 */
export class LdapConnection implements Pooled {
  readonly openedAt: number;
  readonly certificateExpiresAt: number | undefined;
  readonly #socket: TLSSocket;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #controller: string;
  #problem: string | undefined;
  #pending = 0;
  #lastUsed: number;

  constructor(socket: TLSSocket, controller: string, clock: Clock) {
    this.#socket = socket;
    this.#controller = controller;
    this.#clock = clock;
    this.openedAt = clock.monotonic();
    this.#lastUsed = this.openedAt;
    const validTo = Date.parse(socket.getPeerCertificate().valid_to);
    this.certificateExpiresAt = Number.isNaN(validTo) ? undefined : validTo;
    this.#client = new Client({
      url: 'ldaps://connected.already',
      connectTimeout: BACKSTOP_MS,
      timeout: BACKSTOP_MS,
      createSecureConnection: this.#handOver(),
    });
    this.#watch();
  }

  get usable(): boolean {
    return this.#problem === undefined && this.#pending === 0;
  }

  /** What ended it; undefined while nothing has. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get idleMs(): number {
    return this.#clock.monotonic() - this.#lastUsed;
  }

  get ageMs(): number {
    return this.#clock.monotonic() - this.openedAt;
  }

  /** Must settle before anything else is asked. */
  async bind(user: string, password: string, limit: CallLimit): Promise<void> {
    await this.#call('bind', limit, () => this.#client.bind(user, password));
  }

  async search(
    base: string,
    { controls = [], ...options }: Search,
    limit: CallLimit,
  ): Promise<readonly Entry[]> {
    const found = await this.#call('search', limit, () =>
      this.#client.search(base, options, [...controls]),
    );
    return found.searchEntries;
  }

  /** Sends one modify, once. A `ConnectionError` says with `sent` whether it may have arrived. */
  async modify(dn: string, { changes, controls }: Modify, limit: CallLimit): Promise<void> {
    await this.#call('modify', limit, () => this.#client.modify(dn, changes, controls));
  }

  /** Drops the socket at once; whoever still waits is told. Idempotent. */
  destroy(problem: string): void {
    this.#problem ??= problem;
    this.#socket.destroy();
  }

  /** Says goodbye, then drops the socket. Never rejects. */
  async close(): Promise<void> {
    if (this.usable) {
      const limit = { ms: GOODBYE_MS, clock: this.#clock, signal: new AbortController().signal };
      this.#problem = 'closed';
      await within(this.#client.unbind(), limit, () => new Error('late')).catch(() => undefined);
    }
    this.destroy('closed');
  }

  async #call<T>(
    what: 'bind' | 'search' | 'modify',
    limit: CallLimit,
    send: () => Promise<T>,
  ): Promise<T> {
    const stage = what === 'bind' ? 'bind' : 'operation';
    const fail = (why: string, details: { sent: boolean; late?: boolean; cause?: unknown }) =>
      new ConnectionError(stage, `${this.#controller}: ${what}: ${why}`, details);
    if (this.#problem !== undefined) throw fail(this.#problem, { sent: false });
    if (limit.signal.aborted) {
      throw fail('stopped before anything was sent', { sent: false });
    }
    this.#pending += 1;
    try {
      return await within(send(), { ...limit, clock: this.#clock }, (why) =>
        why === 'timeout'
          ? fail(`no answer within ${limit.ms} ms`, { sent: true, late: true })
          : fail('stopped', { sent: true }),
      );
    } catch (error) {
      if (error instanceof ResultCodeError) throw error;
      this.destroy(messageOf(error));
      throw error instanceof ConnectionError
        ? error
        : fail(this.problem ?? messageOf(error), { sent: true, cause: error });
    } finally {
      this.#pending -= 1;
      this.#lastUsed = this.#clock.monotonic();
    }
  }

  // ldapts would open another socket, without a bind, when this one is gone.
  #handOver(): () => TLSSocket {
    let handedOver = false;
    return () => {
      if (handedOver) throw new Error('the connection was closed');
      handedOver = true;
      return this.#socket;
    };
  }

  #watch(): void {
    const guard = new PduGuard(MAX_PDU_BYTES);
    this.#socket.on('data', (chunk: Buffer) => {
      const problem = guard.feed(chunk);
      if (problem !== undefined) this.destroy(problem);
    });
    this.#socket.once('close', () => {
      this.#problem ??= this.#socket.errored?.message ?? 'the domain controller closed it';
    });
  }
}
