import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  CLOSE_CODES,
  FROM_AGENT,
  FROM_SERVICE,
  RPC_ERRORS,
  type FromAgent,
  type FromService,
  type Params,
  type Result,
} from '../../protocol/messages.ts';
import {
  Peer,
  ProtocolError,
  RpcError,
  UnansweredError,
  type Handlers,
} from '../../protocol/rpc.ts';
import { isFault } from '../../support/errors.ts';
import { onAbort } from '../../support/on-abort.ts';
import type { StopSignals } from '../../support/stop-signals.ts';
import { meaningOf, type Closing } from './close-codes.ts';
import { greet, type Challenge } from './greeting.ts';
import { runHeartbeat } from './heartbeat.ts';
import { InFlight } from './in-flight.ts';
import type { LinkHandlers, LinkOptions, SessionHandle } from './link-options.ts';
import type { LinkEvent } from './link-state.ts';
import type { Wire } from './wire.ts';

const STOPPING = 'the agent is stopping';
const CLOSE_WITHIN_MS = 2_000;

export type SessionOptions = Pick<
  LinkOptions,
  'hello' | 'onWelcome' | 'handlers' | 'drainMs' | 'clock' | 'log'
> & {
  readonly onEvent: (event: LinkEvent) => void;
};

export interface SessionEnd extends Closing {
  /** How long the session was ready; 0 when it never was. */
  readonly upMs: number;
  readonly retryAfterMs: number;
  /** Over how long the service wants its agents to spread; absent where it has not said so. */
  readonly spreadMs?: number | undefined;
}

/**
 * One session on an open connection, from the challenge to the end: greets, serves calls, keeps
 * the heart beating, drains. Resolves when the connection is gone, however it went. Whatever the
 * other side sends costs at most this session.
 */
export async function runSession(
  wire: Wire,
  options: SessionOptions,
  stop: StopSignals,
): Promise<SessionEnd> {
  const session = new Session(wire, options);
  const off = [
    onAbort(stop.abort, () => {
      session.drop('the agent stops at once');
    }),
    onAbort(stop.drain, () => void session.drain()),
  ];
  try {
    return await session.run();
  } finally {
    for (const remove of off) remove();
  }
}

/** A service that knows of no answer to a goodbye is not waited for any longer. */
const HEARD_WITHIN_MS = 500;

class Session implements SessionHandle {
  #id = '';
  readonly #wire: Wire;
  readonly #options: SessionOptions;
  readonly #peer: Peer<FromService, FromAgent>;
  readonly #challenged: Promise<Challenge>;
  readonly #inFlight = new InFlight();
  readonly #ended = new AbortController();
  /** Aborted when the service has said goodbye. */
  readonly #heard = new AbortController();
  #readyAt: number | undefined;
  #spreadMs: number | undefined;
  /** Why this side ends the session; undefined while it does not. */
  #closing: Closing | undefined;
  /** Why the service ends it, in its own words. */
  #farewell: { readonly reason: string; readonly retryAfterMs?: number | undefined } | undefined;

  constructor(wire: Wire, options: SessionOptions) {
    this.#wire = wire;
    this.#options = options;
    let onChallenge: (challenge: Challenge) => void = () => undefined;
    this.#challenged = new Promise((resolve) => {
      onChallenge = resolve;
    });
    this.#peer = new Peer({
      incoming: FROM_SERVICE,
      outgoing: FROM_AGENT,
      handlers: this.#handlers(onChallenge),
      send: (frame) => {
        wire.send(frame);
      },
      onBug: (method, error) => {
        this.#reportBug(method, error);
      },
    });
  }

  get id(): string {
    return this.#id;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  notify<K extends 'agent.status' | 'command.began'>(
    method: K,
    params: Params<FromAgent, K>,
  ): void {
    this.#peer.notify(method, params);
  }

  call<K extends 'agent.keys' | 'outcome.report'>(
    method: K,
    params: Params<FromAgent, K>,
    signal: AbortSignal,
  ): Promise<Result<FromAgent, K>> {
    return this.#peer.call(method, params, signal);
  }

  async run(): Promise<SessionEnd> {
    this.#wire.open((frame) => {
      this.#receive(frame);
    });
    const greeted = this.#greet();
    const code = await this.#wire.closed;
    this.#ended.abort();
    this.#peer.close();
    await greeted;
    return this.#end(code);
  }

  /** Ends the connection at once. */
  drop(reason: string): void {
    this.#closing ??= { reason, refused: false };
    this.#wire.terminate();
  }

  /** Says goodbye, lets what has come until the service heard of that end and be answered, closes. */
  async drain(): Promise<void> {
    const { clock, drainMs, onEvent } = this.#options;
    this.#closing ??= { reason: STOPPING, refused: false };
    if (this.#readyAt !== undefined) {
      onEvent('drain');
      this.#peer.notify('session.goodbye', { reason: STOPPING });
      await Promise.race([this.#quiet(), clock.sleep(drainMs, this.ended)]);
      await nextTurn(); // the last answers leave a few microtasks after their calls have ended
    }
    this.#wire.close(CLOSE_CODES.drain, STOPPING);
  }

  /**
   * Resolves when nothing is left to answer. A command that came when nobody listened any more would
   * count as begun, and other agents would have to wait until it cannot be.
   */
  async #quiet(): Promise<void> {
    const { clock } = this.#options;
    await Promise.race([aborted(this.#heard.signal), clock.sleep(HEARD_WITHIN_MS, this.ended)]);
    await this.#inFlight.idle();
  }

  #end(code: number): SessionEnd {
    const { clock, log } = this.#options;
    const { retryAfterMs = 0, reason: wish } = this.#farewell ?? {};
    const meaning = this.#closing ?? meaningOf(code);
    const reason = wish === undefined ? meaning.reason : `${meaning.reason} (${wish})`;
    const upMs = this.#readyAt === undefined ? 0 : clock.monotonic() - this.#readyAt;
    if (this.#readyAt !== undefined) {
      log.info('link.down', { session: this.#id, reason, code, upMs: Math.round(upMs) });
    }
    return { reason, refused: meaning.refused, upMs, retryAfterMs, spreadMs: this.#spreadMs };
  }

  #receive(frame: string | undefined): void {
    try {
      if (frame === undefined) throw new ProtocolError('not a text frame of at most 64 KiB');
      this.#peer.receive(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#breach(error.message);
    }
  }

  /** The other side does not keep to the protocol: this session is of no use. */
  #breach(reason: string): void {
    if (this.#closing !== undefined) return;
    this.#options.log.warn('link.protocol_error', { session: this.#id, reason });
    this.#closing = { reason: `protocol error: ${reason}`, refused: false };
    this.#wire.close(CLOSE_CODES.protocolError, 'protocol error');
  }

  async #greet(): Promise<void> {
    const { clock, hello, log, onEvent, onWelcome } = this.#options;
    try {
      const welcome = await greet(
        {
          clock,
          hello,
          challenged: this.#challenged,
          send: (statement, limit) => this.#peer.call('agent.hello', { hello: statement }, limit),
        },
        this.ended,
      );
      this.#id = welcome.session;
      await onWelcome(welcome, this);
      if (this.#closing !== undefined || this.ended.aborted) return;
      this.#readyAt = clock.monotonic();
      this.#spreadMs = welcome.spreadMs;
      onEvent('welcome');
      log.info('link.up', { session: this.#id, approved: welcome.approved });
    } catch (error) {
      this.#notGreeted(error);
      return;
    }
    const beat = await runHeartbeat(this.#wire, clock, this.ended);
    if (beat === 'lost') this.drop('no answer to a ping: the connection is dead');
  }

  #notGreeted(error: unknown): void {
    if (this.ended.aborted) return; // the end of the connection has its own reason
    if (error instanceof RpcError) {
      // What that means is in the code that the service closes with right after.
      this.#farewell = { reason: `${error.message} ${error.code}` };
      void this.#options.clock.sleep(CLOSE_WITHIN_MS, this.ended).then(() => {
        this.#wire.close(1000, '');
      });
    } else if (error instanceof ProtocolError || error instanceof UnansweredError) {
      this.#breach(error.message);
    } else {
      if (!isFault(error)) this.#reportBug('agent.hello', error);
      this.#breach(
        `the welcome was not accepted: ${isFault(error) ? error.message : 'internal error'}`,
      );
    }
  }

  #handlers(onChallenge: (challenge: Challenge) => void): Handlers<FromService> {
    return {
      'session.challenge': (challenge) => {
        onChallenge(challenge);
        return undefined;
      },
      'session.goodbye': (goodbye) => {
        // In answer to ours it says that nothing more will come.
        if (this.#closing === undefined) this.#farewell = goodbye;
        this.#heard.abort();
        return undefined;
      },
      'session.renew': this.#serving('session.renew'),
      'account.inspect': this.#serving('account.inspect'),
      'command.execute': this.#serving('command.execute'),
      'writeback.set': this.#serving('writeback.set'),
    };
  }

  #serving<K extends keyof LinkHandlers>(
    method: K,
  ): (params: Params<FromService, K>) => Promise<Result<FromService, K>> {
    return (params) => {
      if (this.#readyAt === undefined) {
        throw new RpcError(RPC_ERRORS.notNow, 'the session is not ready', 'NOT_NOW');
      }
      return this.#inFlight.add(this.#options.handlers[method](params, this));
    };
  }

  /** Where it happened, but not what the error says: that could quote what was received. */
  #reportBug(method: string, error: unknown): void {
    const [, ...where] = error instanceof Error ? (error.stack ?? '').split('\n    at ') : [];
    const name = error instanceof Error ? error.name : typeof error;
    this.#options.log.error('link.handler_failed', { session: this.#id, method, name, where });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}
