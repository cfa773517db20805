import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { base64url } from 'jose';
import { sha256 } from '../../src/protocol/digest.ts';
import {
  EnrollRequest,
  formatEnrollmentToken,
  type EnrollRequestClaims,
  type EnrollResponseClaims,
} from '../../src/protocol/enrollment.ts';
import { signToken, verifyToken } from '../../src/protocol/tokens.ts';
import { signingPair, signKeySet, type KeyPair } from './service-keys.ts';
import { createTestCa } from './test-ca.ts';

/** What a desk that is not honest does to the answer before it signs it. */
export type Tampering = (
  honest: EnrollResponseClaims,
) => EnrollResponseClaims | Promise<EnrollResponseClaims>;

export interface DeskOptions {
  readonly tamper?: Tampering;
  /** HTTP statuses to answer with, one per request; after the last one it answers properly. */
  readonly statuses?: readonly number[];
  /** A body instead of a proper answer. */
  readonly body?: string;
  /** Answers under another secret than the token's. */
  readonly foreignMac?: boolean;
}

/** The enrolment half of a reset service, on a real TLS socket, for one token. */
export interface EnrollmentDesk extends AsyncDisposable {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  readonly root: KeyPair;
  readonly commandKey: KeyPair;
  readonly issuer: string;
  readonly agent: string;
  /** Bodies as they came. */
  readonly bodies: readonly string[];
  /** Requests whose MAC was right, in order. */
  readonly requests: readonly EnrollRequestClaims[];
}

export async function openEnrollmentDesk(options: DeskOptions = {}): Promise<EnrollmentDesk> {
  const authority = await createTestCa();
  const { cert, key } = await authority.issue(['localhost']);
  const root = await signingPair();
  const commandKey = await signingPair();
  const issuer = 'https://reset.example.com';
  const agent = randomUUID();
  const secret = randomBytes(32);
  const token = {
    id: randomUUID(),
    directory: 'corp',
    root: root.public.kid,
    secret: base64url.encode(secret),
  };
  const bodies: string[] = [];
  const requests: EnrollRequestClaims[] = [];
  const statuses = [...(options.statuses ?? [])];

  const respond = async (body: string): Promise<string> => {
    const { request } = EnrollRequest.parse(JSON.parse(body));
    const now = Date.now();
    requests.push(await verifyToken('enroll-request', request, { key: secret, now }));
    const honest: EnrollResponseClaims = {
      request: sha256(request),
      agent,
      directory: token.directory,
      issuer,
      root: root.public,
      keySet: await signKeySet({ root, keys: [commandKey], issuer, now }),
      iat: Math.floor(now / 1000),
    };
    const claims = (await options.tamper?.(honest)) ?? honest;
    const mac = { kid: token.id, key: options.foreignMac === true ? randomBytes(32) : secret };
    return JSON.stringify({ response: await signToken('enroll-response', claims, mac) });
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await textOf(request);
    bodies.push(body);
    const status = statuses.shift();
    if (status !== undefined) response.writeHead(status).end();
    else if (options.body !== undefined) response.end(options.body);
    else response.end(await respond(body));
  };
  const server = createServer({ cert, key }, (request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://localhost:${port}`,
    ca: authority.ca,
    token: formatEnrollmentToken(token),
    root,
    commandKey,
    issuer,
    agent,
    bodies,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
