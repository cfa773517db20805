import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import type { PublicKey } from '../../protocol/keys.ts';
import {
  CLOSE_CODES,
  FROM_AGENT,
  FROM_SERVICE,
  MAX_FRAME_BYTES,
  RPC_ERRORS,
  SILENCE_LIMIT_MS,
  type FromAgent,
  type FromService,
  type Params,
  type Result,
  type Standing,
  type Welcome,
} from '../../protocol/messages.ts';
import {
  Peer,
  ProtocolError,
  RpcError,
  UnansweredError,
  type Handlers,
} from '../../protocol/rpc.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import type { AgentSession, CommandFrame } from '../writeback/agent-session.ts';
import { answersPing } from './answers-ping.ts';
import { FrameBudget, STATEMENTS_PER_WINDOW } from './frame-budget.ts';
import type { Said } from './hello.ts';
import { newNonce } from './nonce.ts';
import { Outbox } from './outbox.ts';
import { renewOver } from './renewal.ts';

const HELLO_WITHIN_MS = 10_000;
const CLOSE_WITHIN_MS = 2_000;
const ASK_AGAIN_MS = 100;
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** What the service does with what an agent says. A rejection with `RpcError` is the answer. */
export interface SessionDuties {
  hello(session: LinkSession, said: Said): Promise<Welcome>;
  /** Takes the hello of a renewal. */
  renewed(session: LinkSession, said: Said): Promise<void>;
  /** Asks for a renewal because the session has become old. */
  renew(session: LinkSession): Promise<void>;
  status(session: LinkSession, status: string): Promise<void>;
  sealingKey(session: LinkSession, statement: string): Promise<void>;
  /** Takes signed outcomes that complete the agent's trail. */
  outcomes(session: LinkSession, signed: readonly string[]): Promise<void>;
}

export interface LinkSessionOptions {
  readonly agentId: string;
  readonly directory: string;
  readonly deviceKey: PublicKey;
  readonly duties: SessionDuties;
  /** A session that lasts is renewed this often. */
  readonly renewEveryMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One agent's open socket. Whatever the other side sends costs at most this session. */
export class LinkSession implements AgentSession {
  readonly id = randomUUID();
  readonly #nonce = newNonce();
  readonly agentId: string;
  readonly directory: string;
  readonly deviceKey: PublicKey;
  approved = false;
  healthy = true;
  leaving = false;
  readonly #socket: WebSocket;
  readonly #outbox: Outbox;
  readonly #options: LinkSessionOptions;
  readonly #peer: Peer<FromAgent, FromService>;
  readonly #closed = new AbortController();
  readonly #began = new Map<string, CommandFrame['onBegan']>();
  readonly #frames: FrameBudget;
  readonly #statements: FrameBudget;
  #greeted = false;
  /** The agent's monotonic clock minus ours, less what its newest statement was on the way. */
  #agentAheadMs = 0;
  #heardAt: number;
  readonly #openedAt: number;
  #renewAt: number;

  constructor(socket: WebSocket, options: LinkSessionOptions) {
    this.agentId = options.agentId;
    this.directory = options.directory;
    this.deviceKey = options.deviceKey;
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#options = options;
    this.#openedAt = options.clock.monotonic();
    this.#heardAt = this.#openedAt;
    this.#renewAt = this.#openedAt + options.renewEveryMs;
    this.#frames = new FrameBudget(options.clock);
    this.#statements = new FrameBudget(options.clock, STATEMENTS_PER_WINDOW);
    this.#peer = new Peer({
      incoming: FROM_AGENT,
      outgoing: FROM_SERVICE,
      handlers: this.#handlers(),
      send: (frame) => {
        this.#send(frame);
      },
      onBug: (method, error) => {
        const name = error instanceof Error ? error.name : typeof error;
        this.#log.error('cloud.request_failed', { session: this.id, method, name });
      },
    });
    this.#listen();
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Made when there is something to say: kept, it would be most of what an idle session costs in closures. */
  get #log(): Logger {
    return this.#options.log.child({ agent: this.agentId, directory: this.directory });
  }

  /** Whether anything can still be said to the agent. */
  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  agentMonotonicMs(): number {
    return Math.max(0, Math.floor(this.#options.clock.monotonic() + this.#agentAheadMs));
  }

  /** Takes what a verified statement that has just come says of the agent's monotonic clock. */
  reckon(monotonicMs: number): void {
    this.#agentAheadMs = monotonicMs - this.#options.clock.monotonic();
  }

  /** Challenges the agent. From now on somebody has to look after the session. */
  challenge(): void {
    this.#peer.notify('session.challenge', { session: this.id, nonce: this.#nonce });
  }

  /** Does what is due by now: ends a session without a hello or a sound, renews an old one. */
  look(): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#heardAt >= SILENCE_LIMIT_MS) {
      this.#log.warn('cloud.link_down', { session: this.id, reason: 'silence' });
      this.#socket.terminate();
    } else if (!this.#greeted && now - this.#openedAt >= HELLO_WITHIN_MS) {
      if (this.isOpen) this.#breach('no hello in time');
    } else if (now >= this.#renewAt) {
      this.#renewAt = now + this.#options.renewEveryMs;
      if (this.#greeted && this.isOpen) void this.#options.duties.renew(this);
    }
  }

  async inspect(request: string, signal: AbortSignal): Promise<string> {
    const { inspection } = await this.#ask('account.inspect', { request }, signal);
    return inspection;
  }

  async execute({ command, jti, onBegan }: CommandFrame, signal: AbortSignal): Promise<string> {
    this.#began.set(jti, onBegan);
    try {
      const { outcome } = await this.#ask('command.execute', { command }, signal);
      return outcome;
    } finally {
      this.#began.delete(jti);
    }
  }

  async setToggle(toggle: string, signal: AbortSignal): Promise<void> {
    await this.#peer.call('writeback.set', { toggle }, signal);
  }

  renew(standing: Standing): Promise<void> {
    return renewOver(
      {
        id: this.id,
        closed: this.closed,
        ask: (nonce, now, signal) =>
          this.#outbox.patiently(() => this.#peer.call('session.renew', { nonce, ...now }, signal)),
        take: (said) => this.#options.duties.renewed(this, said),
        close: (code, reason) => {
          this.close(code, reason);
        },
      },
      standing,
      { clock: this.#options.clock, log: this.#log },
    );
  }

  /** Says why, then closes. */
  goodbye(reason: string, code: number): void {
    this.#peer.notify('session.goodbye', { reason });
    this.close(code, reason);
  }

  close(code: number, reason: string): void {
    if (this.closed.aborted) return;
    this.#log.debug('cloud.link_down', { session: this.id, code, reason });
    // A goodbye may still wait for the pieces of a welcome.
    this.#outbox.whenEmpty(() => {
      this.#socket.close(code, reason);
    });
    // Whoever does not close back is cut off; the session counts as over when the socket is gone.
    void this.#options.clock.sleep(CLOSE_WITHIN_MS, this.closed).then(() => {
      this.#socket.terminate();
    });
  }

  /** Whether the other end answers a ping in time: a socket may look open long after its machine is gone. */
  probe(withinMs: number): Promise<boolean> {
    return answersPing(this.#socket, { withinMs, closed: this.closed, clock: this.#options.clock });
  }

  /** Cuts the socket without a word: nobody is there to hear one. */
  terminate(): void {
    this.#socket.terminate();
  }

  #listen(): void {
    const heard = (): void => {
      this.#heardAt = this.#options.clock.monotonic();
    };
    this.#socket.on('message', (data, isBinary) => {
      heard();
      this.#receive(data as Buffer, isBinary); // the default `binaryType` gives whole Buffers
    });
    this.#socket.on('ping', () => {
      heard();
      if (!this.#frames.take()) this.#breach('too many frames');
    });
    this.#socket.on('pong', heard);
    this.#socket.on('error', () => undefined); // 'close' follows, and says all there is to say
    this.#socket.on('close', () => {
      this.#closed.abort();
      this.#peer.close();
    });
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (isBinary || data.length > MAX_FRAME_BYTES) {
      this.#breach(isBinary ? 'a binary frame' : 'a frame over 64 KiB');
      return;
    }
    if (!this.#frames.take()) {
      this.#breach('too many frames');
      return;
    }
    try {
      this.#peer.receive(data.toString('utf8'));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#breach(error.message);
    }
  }

  #breach(reason: string): void {
    this.#log.warn('cloud.link_refused', { session: this.id, reason });
    this.close(CLOSE_CODES.protocolError, 'protocol error');
  }

  #send(frame: string): void {
    const buffered = this.#socket.bufferedAmount + this.#outbox.length;
    if (buffered > MAX_BUFFERED_BYTES) this.#socket.terminate();
    if (this.#socket.readyState !== this.#socket.OPEN) throw new Error('the socket is not open');
    this.#outbox.send(frame);
  }

  #handlers(): Handlers<FromAgent> {
    return {
      'agent.hello': ({ hello }) => this.#hello(hello),
      'agent.status': ({ status }) => {
        this.#mustBeStateable();
        return this.#options.duties.status(this, status).then(() => undefined);
      },
      'agent.keys': ({ sealingKey }) => {
        this.#mustBeStateable();
        return this.#options.duties.sealingKey(this, sealingKey).then(() => ({}));
      },
      'outcome.report': ({ outcomes }) => {
        this.#mustBeStateable();
        // Without a command there is no outcome: an enrolment token alone must not fill the audit.
        if (!this.approved) throw new RpcError(RPC_ERRORS.notNow, 'not approved', 'NOT_NOW');
        return this.#options.duties.outcomes(this, outcomes).then(() => ({}));
      },
      'command.began': (notice) => {
        this.#onBegan(notice);
        return undefined;
      },
      'session.goodbye': ({ reason }) => {
        this.leaving = true;
        // What was sent before this is still answered; the agent waits for it.
        this.#peer.notify('session.goodbye', { reason });
        return undefined;
      },
    };
  }

  async #hello(hello: string): Promise<Welcome> {
    if (this.#greeted) {
      throw new RpcError(RPC_ERRORS.notNow, 'this session has said hello already', 'NOT_NOW');
    }
    this.#greeted = true;
    const welcome = await this.#options.duties.hello(this, { hello, nonce: this.#nonce });
    this.#outbox.patientThisTurn(); // in which the answer is sent
    return welcome;
  }

  /** An agent that has not quite taken the welcome in yet says so, and is asked again. */
  async #ask<K extends 'account.inspect' | 'command.execute'>(
    method: K,
    params: Params<FromService, K>,
    signal: AbortSignal,
  ): Promise<Result<FromService, K>> {
    for (;;) {
      if (!this.approved) throw new UnansweredError('the agent is not approved');
      try {
        return await this.#peer.call(method, params, signal);
      } catch (error) {
        if (!(error instanceof RpcError) || error.code !== 'NOT_NOW') throw error;
      }
      await this.#options.clock.sleep(ASK_AGAIN_MS, signal);
    }
  }

  /** Whoever holds the socket can repeat a genuine statement: each costs a verification and a write. */
  #mustBeStateable(): void {
    if (!this.#greeted) throw new RpcError(RPC_ERRORS.notNow, 'say hello first', 'NOT_NOW');
    if (this.#statements.take()) return;
    this.#breach('too many statements');
    throw new RpcError(RPC_ERRORS.notNow, 'too many statements', 'NOT_NOW');
  }

  #onBegan({ jti, controller }: Params<FromAgent, 'command.began'>): void {
    this.#began.get(jti)?.(controller);
  }
}
