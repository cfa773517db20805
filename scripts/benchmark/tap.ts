import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TLS record of less than this is a ping or a pong and no statement. */
const SMALL_BYTES = 128;

/** What went over the tapped connections: what TCP carried, TLS included. */
export interface Traffic {
  readonly smallBytes: number;
  readonly smallPieces: number;
  readonly largeBytes: number;
  readonly largePieces: number;
}

/** Carries connections to a port of this machine, and counts what it carries. */
export class Tap implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #traffic = { smallBytes: 0, smallPieces: 0, largeBytes: 0, largePieces: 0 };

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      this.#carry(near, far);
      this.#carry(far, near);
    });
  }

  static async start(port: number): Promise<Tap> {
    const tap = new Tap(port);
    tap.#server.listen(0, '127.0.0.1');
    await once(tap.#server, 'listening');
    return tap;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  /** What was carried since it was asked before. */
  take(): Traffic {
    const traffic = this.#traffic;
    this.#traffic = { smallBytes: 0, smallPieces: 0, largeBytes: 0, largePieces: 0 };
    return traffic;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (piece: Buffer) => {
      const size = piece.length < SMALL_BYTES ? 'small' : 'large';
      this.#traffic[`${size}Bytes`] += piece.length;
      this.#traffic[`${size}Pieces`] += 1;
      to.write(piece);
    });
    from.on('error', () => undefined); // 'close' follows
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
