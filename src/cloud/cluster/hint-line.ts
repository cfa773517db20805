import { Client } from 'pg';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import { storeErrorOf } from '../store/postgres-errors.ts';
import type { PostgresPlace } from '../store/postgres-place.ts';
import { connectionOf } from '../store/postgres-pool.ts';
import { channelOf, formatHint, parseHint, type Hint } from './hints.ts';

/** A line that has gone silent is noticed by the next sign of life. */
const TIMEOUTS = { statementMs: 4_000, lockMs: 4_000 };
/** What an administrator of the database sees the connection as. */
export const HINTS = 'passback-cloud hints';
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 2_000;
const MAX_QUEUED = 10_000;

const NOTIFY = {
  name: 'hints',
  text: 'select pg_notify(c, p) from unnest($1::text[], $2::text[]) as h(c, p)',
};

export interface HintLineOptions {
  readonly place: PostgresPlace;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly onHint: (hint: Hint) => void;
  /** The line is there (again): what was said meanwhile has to be looked up. */
  readonly onUp: () => void;
}

/**
 * One connection of its own that hints come and go by (LISTEN, NOTIFY). It reconnects for ever; what is
 * said while it is away is lost, as hints may be. Hints are sent after the commit that they are about and
 * not in it: PostgreSQL lets one transaction with a NOTIFY commit at a time, its wait for the disk included.
 */
export class HintLine {
  readonly #options: HintLineOptions;
  readonly #closed = new AbortController();
  #node = '';
  #client: Client | undefined;
  #queue: (readonly [string, string])[] = [];
  #isSending = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: HintLineOptions) {
    this.#options = options;
  }

  start(): void {
    this.#ended = this.#run();
  }

  /** Says a hint to one node, or to all. Never waits, never fails. */
  send(hint: Hint, to?: string): void {
    if (this.#client === undefined || this.#queue.length >= MAX_QUEUED) return;
    this.#queue.push([channelOf(to), formatHint(hint, this.#node)]);
    if (!this.#isSending) void this.#flush(this.#client);
  }

  /** Listens for this node from now on. */
  rename(node: string): void {
    this.#node = node;
    this.#client?.end().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#client?.end().catch(() => undefined);
    await this.#ended;
  }

  get #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** All that has come together while the statement before was on its way goes with the next. */
  async #flush(client: Client): Promise<void> {
    this.#isSending = true;
    await Promise.resolve(); // whatever is said in this very turn goes along
    try {
      while (this.#queue.length > 0 && this.#client === client) {
        const hints = this.#queue;
        this.#queue = [];
        const values = [hints.map(([channel]) => channel), hints.map(([, text]) => text)];
        await client.query({ ...NOTIFY, values });
      }
    } catch {
      client.end().catch(() => undefined); // `#run` sees the end, and connects anew
    } finally {
      this.#isSending = false;
    }
  }

  async #run(): Promise<void> {
    const { clock, log, random } = this.#options;
    let failures = 0;
    while (!this.#closed.signal.aborted) {
      const reason = await this.#connection();
      failures = reason === undefined ? 0 : failures + 1;
      if (failures === 1 && !this.#isClosed) log.warn('cloud.hints_down', { reason });
      const waitMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** failures);
      await clock.sleep(waitMs * (0.5 + random() / 2), this.#closed.signal);
    }
  }

  /** One connection from its beginning to its end; resolves with why there was none. */
  async #connection(): Promise<string | undefined> {
    const client = new Client(connectionOf(this.#options.place, TIMEOUTS, HINTS));
    const ended = new Promise<void>((resolve) => {
      client.once('end', resolve);
      client.on('error', () => {
        resolve();
      });
    });
    try {
      await client.connect();
      client.on('notification', ({ payload = '' }) => {
        const hint = parseHint(payload, this.#node);
        if (hint !== undefined) this.#options.onHint(hint);
      });
      // What goes by this line is worth no wait for the disk.
      await client.query(
        `set synchronous_commit = off; listen ${channelOf()}; listen ${channelOf(this.#node)}`,
      );
    } catch (error) {
      client.end().catch(() => undefined);
      return storeErrorOf(error).message;
    }
    if (this.#isClosed) {
      await client.end();
      return undefined;
    }
    this.#client = client;
    this.#queue = [];
    this.#isSending = false;
    this.#options.log.info('cloud.hints_up', {});
    this.#options.onUp();
    await ended;
    this.#client = undefined;
    client.end().catch(() => undefined);
    return undefined;
  }
}
