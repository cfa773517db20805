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

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where the server listens, or each of several that do the same. */
export type Servers = Address | readonly [Address, ...Address[]];

/**
 * Stands between a client and a server on TCP, reads nothing, and breaks connections as it is told.
 * A server that is not there looks to the client like a connection that is reset at once. Of several
 * servers each connection gets the next one in turn, whether it is there or not: the client tries again.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #pairs = new Set<Pair>();
  readonly #inflicted: Fault[] = [];
  #awaiting: Fault[] = [];
  #swallows = false;

  private constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  static async start(servers: Servers, clock: Clock = systemClock): Promise<FaultProxy> {
    // Each direction ends for itself: half a close is one of the faults.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new FaultProxy(server, clock);
    const next = inTurn('port' in servers ? [servers] : servers);
    server.on('connection', (client) => {
      const { host, port } = next();
      proxy.#accept(client, connect({ host, port, allowHalfOpen: true, noDelay: true }));
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

  /** Every fault that something has suffered, in order. */
  get inflicted(): readonly Fault[] {
    return this.#inflicted;
  }

  /**
   * Does this to one connection: of `n` open ones, oldest first, to the one at `pick * n`. While
   * there is none, and when that one ends before the fault could come to it, the next one gets it.
   */
  inflict(fault: Fault, pick = 0): void {
    const pair = [...this.#pairs][Math.floor(pick * this.#pairs.size)];
    if (pair === undefined) this.#awaiting.push(fault);
    else pair.suffer(fault);
  }

  /** From now on nothing gets through on any connection, open or to come, and nobody is told. */
  swallow(): void {
    this.#swallows = true;
    for (const pair of this.#pairs) swallow(pair);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pair of [...this.#pairs]) pair.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, server: Socket): void {
    const pair = new Pair(client, server, {
      clock: this.#clock,
      suffered: (fault) => this.#inflicted.push(fault),
    });
    this.#pairs.add(pair);
    const over = (): void => {
      this.#pairs.delete(pair);
      this.#awaiting.push(...pair.spared);
    };
    pair.ended.addEventListener('abort', over, { once: true });
    if (this.#swallows) swallow(pair);
    const [fault, ...rest] = this.#awaiting;
    this.#awaiting = rest;
    if (fault !== undefined) pair.suffer(fault);
  }
}

function inTurn<T>(values: readonly [T, ...T[]]): () => T {
  let turn = 0;
  return () => values[turn++ % values.length] ?? values[0];
}

/** As long as a timer can be set for. */
const FOR_EVER_MS = 2 ** 31 - 1;

function swallow(pair: Pair): void {
  pair.suffer({ kind: 'stall', direction: 'up', ms: FOR_EVER_MS });
  pair.suffer({ kind: 'stall', direction: 'down', ms: FOR_EVER_MS });
}

interface PairOptions {
  readonly clock: Clock;
  /** Hears of each fault when it has happened. */
  readonly suffered: (fault: Fault) => void;
}

/** One client's connection and the one to the server that belongs to it. */
class Pair {
  readonly #ended = new AbortController();
  readonly #sockets: readonly [Socket, Socket];
  readonly #suffered: PairOptions['suffered'];
  readonly #up: Pipe;
  readonly #down: Pipe;

  constructor(client: Socket, server: Socket, { clock, suffered }: PairOptions) {
    this.#sockets = [client, server];
    this.#suffered = suffered;
    const cut = (): void => {
      this.cut();
    };
    const options = { clock, ended: this.ended, cut, suffered };
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
    if (fault.kind === 'cut') {
      this.#suffered(fault);
      this.cut();
    } else (fault.direction === 'up' ? this.#up : this.#down).suffer(fault);
  }

  /** The faults that this connection has ended too early for. */
  get spared(): readonly Fault[] {
    return [...this.#up.spared, ...this.#down.spared];
  }
}

interface PipeOptions extends PairOptions {
  readonly ended: AbortSignal;
  readonly cut: () => void;
}

type CutAfter = Extract<Fault, { kind: 'cut-after' }>;

/** One direction of one connection. Takes the next chunk only when the one before has gone. */
class Pipe {
  readonly #to: Socket;
  readonly #options: PipeOptions;
  #stalled = Promise.resolve();
  #delayMs = 0;
  /** Each with the bytes that are left until it comes. */
  #cuts: CutAfter[] = [];
  #spared: Fault[] = [];

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

  get spared(): readonly Fault[] {
    return [...this.#cuts, ...this.#spared];
  }

  suffer(fault: Exclude<Fault, { kind: 'cut' }>): void {
    const { clock, ended, suffered } = this.#options;
    if (fault.kind === 'cut-after') {
      this.#cuts.push(fault);
      return;
    }
    if (fault.kind === 'half-close' && this.#to.writableEnded) {
      this.#spared.push(fault);
      return;
    }
    suffered(fault);
    switch (fault.kind) {
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
    const { clock, ended, cut, suffered } = this.#options;
    if (this.#delayMs > 0) await clock.sleep(this.#delayMs, ended);
    await this.#stalled;
    if (ended.aborted) return;
    const next = this.#nextCut(chunk.length);
    await this.#write(next === undefined ? chunk : chunk.subarray(0, next.bytes));
    if (next === undefined) return;
    suffered(next);
    cut();
  }

  /** The first cut that comes within so many bytes; for all others there are as many less to go. */
  #nextCut(length: number): CutAfter | undefined {
    const [first, ...others] = this.#cuts.toSorted((a, b) => a.bytes - b.bytes);
    const due = first !== undefined && first.bytes <= length ? first : undefined;
    const left = due === undefined ? this.#cuts : others;
    this.#cuts = left.map((cut) => ({ ...cut, bytes: Math.max(0, cut.bytes - length) }));
    return due;
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
