import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { HttpProxy } from '../../src/support/http-proxy.ts';
import { tlsTrust } from '../../src/support/tls-trust.ts';
import { createTestCa, type TestCa } from './test-ca.ts';

/** What becomes of one CONNECT, by its number (the first is 0); the default is a tunnel. */
export type ProxyAct =
  | { readonly kind: 'tunnel' }
  /** Written as it is; the connection stays open afterwards. */
  | { readonly kind: 'say'; readonly text: string }
  /** The same text without end. */
  | { readonly kind: 'flood'; readonly text: string }
  | { readonly kind: 'hang' }
  | { readonly kind: 'close' }
  /** A tunnel that is cut after so many bytes to the client. */
  | { readonly kind: 'cut-after'; readonly bytes: number }
  /** A tunnel to another port than was asked for. */
  | { readonly kind: 'divert'; readonly port: number }
  /** TLS is taken apart under certificates of this CA. */
  | { readonly kind: 'inspect'; readonly ca: TestCa; readonly upstreamCa: string };

export interface ConnectProxyOptions {
  readonly act?: (index: number) => ProxyAct;
  /** `user:password`: anything else is answered with 407. */
  readonly login?: string;
  /** It is reached by TLS, under a CA of its own. */
  readonly tls?: true;
}

export interface Asked {
  readonly target: string;
  readonly authorization: string | undefined;
}

/** An HTTP proxy that only knows CONNECT, and that can be told to misbehave in any way. */
export class ConnectProxy implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** All that clients have sent through tunnels, as it came. */
  passed = '';
  /** Sockets that clients have open. */
  readonly clients = new Set<Socket>();
  readonly url: string;
  /** Of the proxy's own certificate; without TLS nobody's. */
  readonly ca: string | undefined;
  readonly #options: ConnectProxyOptions;
  readonly #close: () => Promise<void>;

  private constructor(
    made: { readonly url: string; readonly ca: string | undefined; close(): Promise<void> },
    options: ConnectProxyOptions,
  ) {
    this.url = made.url;
    this.ca = made.ca;
    this.#options = options;
    this.#close = () => made.close();
  }

  static async start(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const authority = options.tls === true ? await createTestCa('CA of the proxy') : undefined;
    const server =
      authority === undefined
        ? createHttpServer()
        : createHttpsServer(await authority.issue(['localhost']));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const scheme = authority === undefined ? 'http' : 'https';
    const url = `${scheme}://localhost:${port}`;
    const close = async (): Promise<void> => {
      for (const socket of proxy.clients) socket.destroy();
      server.close();
      await once(server, 'close');
    };
    const proxy = new ConnectProxy({ url, ca: authority?.ca, close }, options);
    server.on('connection', (socket: Socket) => {
      proxy.clients.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => proxy.clients.delete(socket));
    });
    server.on('connect', (request: IncomingMessage, socket: Socket) => {
      proxy.#serve(request, socket).catch(() => socket.destroy());
    });
    return proxy;
  }

  /** As an agent is told of it. */
  get proxy(): HttpProxy {
    return { url: this.url, setting: 'service.proxy.url', trust: tlsTrust(this.ca) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #serve({ url = '', headers }: IncomingMessage, client: Socket): Promise<void> {
    const { act, login } = this.#options;
    client.on('error', () => undefined);
    client.on('end', () => client.destroy()); // a server's sockets would stay half open
    client.resume();
    const authorization = headers['proxy-authorization'];
    const index = this.asked.push({ target: url, authorization }) - 1;
    if (login !== undefined && authorization !== basic(login)) {
      client.end(
        'HTTP/1.1 407 Who?\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n',
      );
      return;
    }
    await this.#perform(act?.(index) ?? { kind: 'tunnel' }, url, client);
  }

  async #perform(act: ProxyAct, target: string, client: Socket): Promise<void> {
    const port = Number(target.slice(target.lastIndexOf(':') + 1));
    switch (act.kind) {
      case 'tunnel':
        this.#tunnel(client, connect(port, '127.0.0.1'));
        break;
      case 'divert':
        this.#tunnel(client, connect(act.port, '127.0.0.1'));
        break;
      case 'cut-after':
        this.#tunnel(client, connect(port, '127.0.0.1'), act.bytes);
        break;
      case 'say':
        client.write(act.text);
        break;
      case 'flood':
        while (!client.destroyed) {
          if (!client.write(act.text)) await once(client, 'drain');
        }
        break;
      case 'hang':
        break;
      case 'close':
        client.end();
        break;
      case 'inspect':
        await this.#inspect(client, port, act);
        break;
    }
  }

  #tunnel(client: Socket, server: Socket, bytes = Number.POSITIVE_INFINITY): void {
    let left = bytes;
    server.on('error', () => client.destroy());
    server.once('connect', () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'));
    client.on('data', (data: Buffer) => {
      this.passed += data.toString('latin1');
      server.write(data);
    });
    server.on('data', (data: Buffer) => {
      client.write(data.subarray(0, left));
      left -= data.length;
      if (left <= 0) client.resetAndDestroy();
    });
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
  }

  async #inspect(
    client: Socket,
    port: number,
    { ca, upstreamCa }: ProxyAct & { kind: 'inspect' },
  ): Promise<void> {
    const { cert, key } = await ca.issue(['localhost']);
    const inner = createTlsServer({ cert: `${cert}\n${ca.ca}`, key }, (plain) => {
      const server = connectTls({ port, host: 'localhost', ca: upstreamCa });
      for (const socket of [plain, server]) socket.on('error', () => plain.destroy());
      plain.on('data', (data: Buffer) => (this.passed += data.toString('latin1')));
      plain.pipe(server).pipe(plain);
      plain.on('close', () => server.destroy());
    });
    inner.on('tlsClientError', () => undefined);
    inner.listen(0, '127.0.0.1');
    await once(inner, 'listening');
    client.on('close', () => inner.close());
    this.#tunnel(client, connect((inner.address() as AddressInfo).port, '127.0.0.1'));
  }
}

function basic(login: string): string {
  return `Basic ${Buffer.from(login).toString('base64')}`;
}
