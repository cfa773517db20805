import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { SUBPROTOCOL } from '../../src/protocol/messages.ts';
import { createTestCa, type TestCa } from './test-ca.ts';

/** What one connection does, by its number (the first is 0); the default is to be a proper service. */
export type Behaviour = (connection: Connection, index: number) => void;

export interface SocketServiceOptions {
  /** Who signs its certificate; default is a CA of its own. */
  readonly authority?: TestCa;
  /** Answers the upgrade itself instead of accepting it, by the number of the request. */
  readonly refuse?: (index: number) => string | undefined;
  /** Default is ours. */
  readonly subprotocol?: string;
  readonly behave?: Behaviour;
}

/** One agent's connection, seen from the service: raw frames, nothing is checked. */
export class Connection {
  readonly session = randomUUID();
  readonly upgrade: IncomingMessage;
  readonly socket: WebSocket;
  readonly frames: Record<string, unknown>[] = [];
  closed: { readonly code: number } | undefined;

  constructor(socket: WebSocket, upgrade: IncomingMessage) {
    this.socket = socket;
    this.upgrade = upgrade;
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      this.frames.push(JSON.parse((data as Buffer).toString()) as Record<string, unknown>);
    });
    socket.on('close', (code) => {
      this.closed = { code };
    });
  }

  send(message: object): void {
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  challenge(): void {
    const nonce = randomBytes(32).toString('base64url');
    this.send({ method: 'session.challenge', params: { session: this.session, nonce } });
  }

  /** Challenges, and welcomes whatever hello comes. */
  greet(changes: object = {}): void {
    this.challenge();
    this.socket.once('message', (data) => {
      const { id } = JSON.parse((data as Buffer).toString()) as { id: number };
      this.send({ id, result: { ...this.#welcome(), ...changes } });
    });
  }

  /** The frames of one method, as they came from the agent. */
  of(method: string): readonly Record<string, unknown>[] {
    return this.frames.filter((frame) => frame.method === method);
  }

  #welcome(): object {
    return {
      session: this.session,
      serverTime: new Date().toISOString(),
      approved: true,
      keySet: 'a.b.c',
      peers: [],
      protocol: 1,
      oldestVersion: '0.1.0',
    };
  }
}

/** A WebSocket service on a real TLS socket that can be told to misbehave in any way. */
export class SocketService implements AsyncDisposable {
  readonly url: string;
  readonly ca: string;
  readonly connections: Connection[] = [];
  /** How many upgrades were asked for. */
  upgrades = 0;
  readonly #close: () => Promise<void>;

  private constructor(url: string, ca: string, close: () => Promise<void>) {
    this.url = url;
    this.ca = ca;
    this.#close = close;
  }

  static async start(options: SocketServiceOptions = {}): Promise<SocketService> {
    const authority = options.authority ?? (await createTestCa());
    const { cert, key } = await authority.issue(['localhost']);
    const server = createServer({ cert, key });
    const sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: () => options.subprotocol ?? SUBPROTOCOL,
    });
    server.on('upgrade', (request: IncomingMessage, raw: Duplex, head: Buffer) => {
      const refusal = options.refuse?.(service.upgrades);
      service.upgrades += 1;
      if (refusal !== undefined) {
        raw.end(`HTTP/1.1 ${refusal.replace('\r\n', '\r\nConnection: close\r\n')}\r\n\r\n`);
        return;
      }
      sockets.handleUpgrade(request, raw, head, (socket) => {
        const connection = new Connection(socket, request);
        const index = service.connections.push(connection) - 1;
        (
          options.behave ??
          ((proper) => {
            proper.greet();
          })
        )(connection, index);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const service = new SocketService(`https://localhost:${port}`, authority.ca, async () => {
      for (const { socket } of service.connections) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    return service;
  }

  /** The connection of this number, once there is one. */
  connection(index = 0): Connection {
    const connection = this.connections[index];
    if (connection === undefined) throw new Error(`connection ${index} has not come yet`);
    return connection;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}
