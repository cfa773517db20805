import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importJWK, type CryptoKey } from 'jose';
import { WebSocketServer, type WebSocket } from 'ws';
import { sha256 } from '../../src/protocol/digest.ts';
import type { CommandClaims, InspectClaims } from '../../src/protocol/command.ts';
import {
  EnrollRequest,
  formatEnrollmentToken,
  type EnrollmentToken,
} from '../../src/protocol/enrollment.ts';
import type { PublicKey } from '../../src/protocol/keys.ts';
import {
  CONNECT_PATH,
  ENROLL_PATH,
  FROM_AGENT,
  FROM_SERVICE,
  MAX_FRAME_BYTES,
  type FromAgent,
  type FromService,
  type Params,
  type Welcome,
} from '../../src/protocol/messages.ts';
import type { InspectionClaims, OutcomeClaims } from '../../src/protocol/outcome.ts';
import { Peer } from '../../src/protocol/rpc.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import type { HelloClaims } from '../../src/protocol/status.ts';
import { signToken, verifyToken } from '../../src/protocol/tokens.ts';
import { makeKeyPair, type KeyPair } from './command-rig.ts';
import { createTestCa } from './test-ca.ts';

const NEVER = new AbortController().signal;

/** The agent as the service has come to know it by enrolment. */
interface EnrolledAgent {
  readonly id: string;
  readonly device: PublicKey;
  readonly key: CryptoKey;
}

export interface ScriptedServiceOptions {
  readonly directory?: string;
  readonly approved?: boolean;
}

/** A reset service for one agent whose every word a test can choose; what it says by itself is honest. */
export class ScriptedService implements AsyncDisposable {
  readonly directory: string;
  readonly ca: string;
  readonly sessions: ServiceSession[] = [];
  approved: boolean;
  /** Replaces members of the next welcomes. */
  welcome: Partial<Welcome> = {};
  agent: EnrolledAgent | undefined;
  readonly keys: { readonly root: KeyPair; readonly signing: KeyPair };
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES });
  readonly #tokens = new Map<string, EnrollmentToken>();

  private constructor(
    made: { server: Server; ca: string; keys: ScriptedService['keys'] },
    options: ScriptedServiceOptions,
  ) {
    this.#server = made.server;
    this.ca = made.ca;
    this.keys = made.keys;
    this.directory = options.directory ?? 'corp';
    this.approved = options.approved ?? true;
  }

  static async start(options: ScriptedServiceOptions = {}): Promise<ScriptedService> {
    const testCa = await createTestCa();
    const { cert, key, ca } = await testCa.issue(['localhost', '127.0.0.1']);
    const server = createServer({ cert, key, minVersion: 'TLSv1.2' });
    const keys = { root: await makeKeyPair('sig'), signing: await makeKeyPair('sig') };
    const service = new ScriptedService({ server, ca, keys }, options);
    server.on('request', (request, response) => {
      service.#answer(request).then(
        (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(body),
        () => response.writeHead(400).end(),
      );
    });
    server.on('upgrade', (request: IncomingMessage, socket, head: Buffer) => {
      if (request.url !== CONNECT_PATH) {
        socket.destroy();
        return;
      }
      service.#sockets.handleUpgrade(request, socket, head, (ws) => {
        void service.#serve(ws);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return service;
  }

  get url(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  get session(): ServiceSession {
    const session = this.sessions.at(-1);
    if (session === undefined) throw new Error('no agent has connected yet');
    return session;
  }

  /** The text of a one-time enrolment token. */
  enrollmentToken(): string {
    const token = {
      id: randomUUID(),
      directory: this.directory,
      root: this.keys.root.kid,
      secret: randomBytes(32).toString('base64url'),
    };
    this.#tokens.set(token.id, token);
    return formatEnrollmentToken(token);
  }

  keySet(number = 1, keys: readonly PublicKey[] = [this.keys.signing.jwk]): Promise<string> {
    const iat = seconds();
    const claims = { iss: this.url, number, iat, exp: iat + 365 * 86_400, keys: [...keys] };
    return signToken('key-set', claims, this.keys.root);
  }

  toggle(version: number, enabled: boolean, reason = ''): Promise<string> {
    const claims = { iss: this.url, aud: this.directory, iat: seconds(), by: 'key:1' };
    return signToken('writeback', { ...claims, version, enabled, reason }, this.keys.signing);
  }

  /** The members every command and question has; the rest is the test's. */
  envelope(): Pick<
    CommandClaims,
    'iss' | 'aud' | 'agent' | 'jti' | 'sid' | 'iat' | 'exp' | 'by' | 'actor'
  > {
    if (this.agent === undefined) throw new Error('no agent has enrolled yet');
    const iat = seconds();
    return {
      ...{ iss: this.url, aud: this.directory, agent: this.agent.id, jti: randomUUID() },
      ...{ sid: this.session.id, iat, exp: iat + 60, by: 'admin', actor: 'key:1' },
    };
  }

  async inspect(asked: Pick<InspectClaims, 'account' | 'op'>): Promise<InspectionClaims> {
    const claims = { ...this.envelope(), ...asked };
    const request = await signToken('inspect', claims, this.keys.signing);
    const { inspection } = await this.session.peer.call('account.inspect', { request }, NEVER);
    return verifyToken('inspection', inspection, { key: this.#agentKey(), now: Date.now() });
  }

  async execute(claims: CommandClaims): Promise<OutcomeClaims> {
    return this.send(await signToken('command', claims, this.keys.signing));
  }

  async send(command: string): Promise<OutcomeClaims> {
    const { outcome } = await this.session.peer.call('command.execute', { command }, NEVER);
    return verifyToken('outcome', outcome, { key: this.#agentKey(), now: Date.now() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.sessions) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #agentKey(): CryptoKey {
    if (this.agent === undefined) throw new Error('no agent has enrolled yet');
    return this.agent.key;
  }

  async #answer(request: IncomingMessage): Promise<string> {
    if (request.method !== 'POST' || request.url !== ENROLL_PATH) throw new Error('no such route');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = EnrollRequest.parse(JSON.parse(Buffer.concat(chunks).toString()));
    const token = this.#tokens.get(body.token);
    if (token === undefined) throw new Error('no such token');
    const mac = { kid: token.id, key: Buffer.from(token.secret, 'base64url') };
    const expected = { key: mac.key, now: Date.now() };
    const { deviceKey } = await verifyToken('enroll-request', body.request, expected);
    const key = await importJWK(deviceKey, 'ES256');
    if (key instanceof Uint8Array) throw new TypeError('a device key is not symmetric');
    this.agent = { id: randomUUID(), device: deviceKey, key };
    const claims = {
      request: sha256(body.request),
      agent: this.agent.id,
      directory: this.directory,
      issuer: this.url,
      root: this.keys.root.jwk,
      keySet: await this.keySet(),
      iat: seconds(),
    };
    return JSON.stringify({ response: await signToken('enroll-response', claims, mac) });
  }

  async #serve(socket: WebSocket): Promise<void> {
    const session: ServiceSession = new ServiceSession(socket, async ({ hello }) => {
      session.hello = await verifyToken('hello', hello, {
        key: this.#agentKey(),
        now: Date.now(),
        audience: this.url,
      });
      session.heardAt = performance.now();
      return {
        session: session.id,
        serverTime: timestamp(Date.now()),
        approved: this.approved,
        keySet: await this.keySet(),
        peers: [],
        protocol: 1,
        oldestVersion: '0.1.0',
        ...this.welcome,
      };
    });
    this.sessions.push(session);
    session.peer.notify('session.challenge', { session: session.id, nonce: session.nonce });
  }
}

/** One agent's session as the service sees it. */
export class ServiceSession {
  readonly id = randomUUID();
  readonly nonce = randomBytes(32).toString('base64url');
  readonly socket: WebSocket;
  readonly peer: Peer<FromAgent, FromService>;
  readonly began: Params<FromAgent, 'command.began'>[] = [];
  readonly statements: string[] = [];
  /** Each report of outcomes. */
  readonly reports: (readonly string[])[] = [];
  /** Every text frame in either direction. */
  readonly frames: string[] = [];
  hello: HelloClaims | undefined;
  /** When the hello came. */
  heardAt = 0;
  goodbye: string | undefined;

  constructor(
    socket: WebSocket,
    onHello: (params: Params<FromAgent, 'agent.hello'>) => Promise<Welcome>,
  ) {
    this.socket = socket;
    this.peer = new Peer({
      incoming: FROM_AGENT,
      outgoing: FROM_SERVICE,
      send: (frame) => {
        this.frames.push(frame);
        socket.send(frame);
      },
      onBug: (_method, error) => {
        throw error;
      },
      handlers: {
        'agent.hello': onHello,
        'agent.status': ({ status }) => {
          this.statements.push(status);
          return undefined;
        },
        'agent.keys': () => ({}),
        'outcome.report': ({ outcomes }) => {
          this.reports.push(outcomes);
          return {};
        },
        'command.began': (notice) => {
          this.began.push(notice);
          return undefined;
        },
        'session.goodbye': ({ reason }) => {
          this.goodbye = reason;
          this.peer.notify('session.goodbye', { reason });
          return undefined;
        },
      },
    });
    socket.on('message', (data: Buffer) => {
      this.frames.push(data.toString());
      this.peer.receive(data.toString());
    });
    socket.on('close', () => {
      this.peer.close();
    });
  }

  /** How far the agent's monotonic clock is by now, as its hello says. */
  agentMonotonicMs(): number {
    return Math.floor((this.hello?.monotonicMs ?? 0) + performance.now() - this.heardAt);
  }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
