import { once } from 'node:events';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { Upstream } from './stack.ts';
import { createTestCa } from './test-ca.ts';

/** A proxy that reads TLS, as some companies run: it has its own CA, forwards everything, and keeps a copy. */
export class RecordingProxy implements AsyncDisposable {
  /** PEM of the CA that whoever goes through it has to trust. */
  readonly ca: string;
  /** Every request body, response body and WebSocket message that went through, in clear. */
  readonly recorded: string[] = [];
  /** May change a WebSocket message on its way to the agent. */
  tamper: (message: string) => string = (message) => message;
  readonly #server: Server;
  readonly #upstream: Upstream;
  readonly #accept = new WebSocketServer({ noServer: true });

  private constructor(server: Server, ca: string, upstream: Upstream) {
    this.#server = server;
    this.ca = ca;
    this.#upstream = upstream;
  }

  static async start(upstream: Upstream): Promise<RecordingProxy> {
    const testCa = await createTestCa('A company that reads TLS');
    const { cert, key, ca } = await testCa.issue(['localhost']);
    const proxy = new RecordingProxy(createServer({ cert, key }), ca, upstream);
    proxy.#server.on('request', (request, response) => void proxy.#forward(request, response));
    proxy.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      proxy.#upgrade(request, socket, head);
    });
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#accept.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await this.#read(request);
    const { url, ca } = this.#upstream;
    const { host: _host, ...headers } = request.headers;
    const options = { method: request.method, headers, ca, agent: false } as const;
    const sent = httpsRequest(new URL(request.url ?? '/', url), options);
    sent.on('error', () => response.writeHead(502).end());
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const text = await this.#read(answer);
    response.writeHead(answer.statusCode ?? 502, answer.headers).end(text);
  }

  async #read(stream: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    this.recorded.push(`${stream.url ?? ''} ${body.toString('utf8')}`);
    return body;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { url, ca } = this.#upstream;
    const target = new URL(request.url ?? '/', url.replace('https:', 'wss:'));
    const { authorization = '', 'sec-websocket-protocol': protocol = '' } = request.headers;
    const service = new WebSocket(target, [protocol], { ca, headers: { authorization } });
    // What the service says before the agent's side is open waits for it.
    const early: Buffer[] = [];
    const keep = (data: Buffer): number => early.push(data);
    service.on('message', keep);
    service.on('error', () => socket.destroy());
    service.on('unexpected-response', (_request, { statusCode = 502 }: IncomingMessage) => {
      socket.end(`HTTP/1.1 ${statusCode} Refused\r\nconnection: close\r\n\r\n`);
      service.terminate();
    });
    service.on('open', () => {
      this.#accept.handleUpgrade(request, socket, head, (agent) => {
        service.off('message', keep);
        this.#relay(agent, service, early);
      });
    });
  }

  #relay(agent: WebSocket, service: WebSocket, early: readonly Buffer[]): void {
    const toAgent = (data: Buffer): void => {
      agent.send(this.tamper(this.#record(data)));
    };
    for (const data of early) toAgent(data);
    service.on('message', toAgent);
    agent.on('message', (data: Buffer) => {
      service.send(this.#record(data));
    });
    agent.on('ping', (data) => {
      if (service.readyState === WebSocket.OPEN) service.ping(data);
    });
    for (const [here, there] of [
      [agent, service],
      [service, agent],
    ] as const) {
      here.on('error', () => {
        there.terminate();
      });
      here.on('close', (code, reason) => {
        // 1005 and 1006 stand for "no close frame" (RFC 6455 section 7.4.1) and cannot be sent.
        if (code === 1005 || code === 1006) there.terminate();
        else there.close(code, reason);
      });
    }
  }

  #record(data: Buffer): string {
    const message = data.toString('utf8');
    this.recorded.push(message);
    return message;
  }
}
