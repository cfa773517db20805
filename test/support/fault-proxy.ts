import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { systemClock, type Clock } from '../../src/support/clock.ts';

/** Which way bytes travel: `up` to the server, `down` to the client. */
export type Direction = 'up' | 'down';

/** What can happen to one connection. */
export type Fault =
  /** Reset at both ends, as when a firewall forgets it or a machine loses its power. */
  | { readonly kind: 'cut' }
  /** Reset at both ends when this many more bytes have gone this way; the last of them arrive. */
  | { readonly kind: 'cut-after'; readonly direction: Direction; readonly bytes: number }
  /** The receiver of this direction sees an orderly end; the other direction goes on. */
  | { readonly kind: 'half-close'; readonly direction: Direction }
  /** Nothing goes this way for so long; then everything does. */
  | { readonly kind: 'stall'; readonly direction: Direction; readonly ms: number }
  /** For so long, everything that goes this way is late by `ms`. */
  | {
      readonly kind: 'delay';
      readonly direction: Direction;
      readonly ms: number;
      readonly forMs: number;
    };

/**
 * Stands between a client and a server on TCP, reads nothing, and breaks connections as it is told.
 * A server that is not there looks to the client like a connection that is reset at once.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #pairs = new Set<Pair>();
  #awaiting: Fault[] = [];

  private constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  static async start(
    upstream: { readonly host: string; readonly port: number },
    clock: Clock = systemClock,
  ): Promise<FaultProxy> {
    // Each direction ends for itself: half a close is one of the faults.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new FaultProxy(server, clock);
    server.on('connection', (client) => {
      proxy.#accept(client, connect({ ...upstream, allowHalfOpen: true, noDelay: true }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many connections are open. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Faults that wait for a connection to come. */
  get waiting(): number {
    return this.#awaiting.length;
  }

  /**
   * Does this to one connection: of `n` open ones, oldest first, to the one at `pick * n`. While
   * there is none, the next one gets it.
   */
  inflict(fault: Fault, pick = 0): void {
    const pair = [...this.#pairs][Math.floor(pick * this.#pairs.size)];
    if (pair === undefined) this.#awaiting.push(fault);
    else pair.suffer(fault);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pair of [...this.#pairs]) pair.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, server: Socket): void {
    const pair = new Pair(client, server, this.#clock);
    this.#pairs.add(pair);
    pair.ended.addEventListener('abort', () => this.#pairs.delete(pair), { once: true });
    const [fault, ...rest] = this.#awaiting;
    this.#awaiting = rest;
    if (fault !== undefined) pair.suffer(fault);
  }
}

/** One client's connection and the one to the server that belongs to it. */
class Pair {
  readonly #ended = new AbortController();
  readonly #sockets: readonly [Socket, Socket];
  readonly #up: Pipe;
  readonly #down: Pipe;

  constructor(client: Socket, server: Socket, clock: Clock) {
    this.#sockets = [client, server];
    const cut = (): void => {
      this.cut();
    };
    const options = { clock, ended: this.ended, cut };
    this.#up = new Pipe(client, server, options);
    this.#down = new Pipe(server, client, options);
    for (const socket of this.#sockets) {
      socket.on('error', cut);
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) this.#ended.abort();
      });
    }
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** A reset and not an orderly end: neither side may believe that it has heard everything. */
  cut(): void {
    for (const socket of this.#sockets) {
      if (socket.connecting || socket.destroyed) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#ended.abort();
  }

  suffer(fault: Fault): void {
    if (fault.kind === 'cut') this.cut();
    else (fault.direction === 'up' ? this.#up : this.#down).suffer(fault);
  }
}

interface PipeOptions {
  readonly clock: Clock;
  readonly ended: AbortSignal;
  readonly cut: () => void;
}

/** One direction of one connection. Takes the next chunk only when the one before has gone. */
class Pipe {
  readonly #to: Socket;
  readonly #options: PipeOptions;
  #stalled = Promise.resolve();
  #delayMs = 0;
  #left = Number.POSITIVE_INFINITY;

  constructor(from: Socket, to: Socket, options: PipeOptions) {
    this.#to = to;
    this.#options = options;
    from.on('data', (chunk: Buffer) => {
      from.pause();
      void this.#forward(chunk).then(() => from.resume());
    });
    from.on('end', () => {
      void this.#stalled.then(() => to.end());
    });
  }

  suffer(fault: Exclude<Fault, { kind: 'cut' }>): void {
    const { clock, ended } = this.#options;
    switch (fault.kind) {
      case 'cut-after':
        this.#left = Math.min(this.#left, fault.bytes);
        break;
      case 'half-close':
        this.#to.end();
        break;
      case 'stall': {
        const over = clock.sleep(fault.ms, ended);
        this.#stalled = Promise.all([this.#stalled, over]).then(() => undefined);
        break;
      }
      case 'delay':
        this.#delayMs = fault.ms;
        void clock.sleep(fault.forMs, ended).then(() => (this.#delayMs = 0));
        break;
    }
  }

  async #forward(chunk: Buffer): Promise<void> {
    const { clock, ended, cut } = this.#options;
    if (this.#delayMs > 0) await clock.sleep(this.#delayMs, ended);
    await this.#stalled;
    if (ended.aborted) return;
    const whole = chunk.length < this.#left;
    await this.#write(whole ? chunk : chunk.subarray(0, this.#left));
    this.#left -= chunk.length;
    if (!whole) cut();
  }

  /** Resolves when the bytes are with the operating system, or never will be. */
  #write(bytes: Buffer): Promise<void> {
    // After half a close there is nobody to hear the rest.
    if (bytes.length === 0 || this.#to.writableEnded) return Promise.resolve();
    return new Promise((resolve) => {
      this.#to.write(bytes, () => {
        resolve();
      });
    });
  }
}
