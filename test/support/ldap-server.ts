import { once } from 'node:events';
import { createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo, Socket } from 'node:net';
import {
  noticeOfDisconnection,
  readRequest,
  splitMessages,
  writeAnswer,
  type LdapRequest,
  type LdapResult,
  type ReadRequest,
} from './ldap-messages.ts';
import type { TestCertificate } from './test-ca.ts';

export type { LdapRequest } from './ldap-messages.ts';

/** What the server does with a request: an LDAP result, bytes as they are, nothing, or an end of the connection. */
export type LdapAnswer =
  | (LdapResult & {
      /** Sends only so many bytes of it, and then cuts. */
      readonly cutAfter?: number;
    })
  | Buffer
  | 'silence'
  | 'cut'
  /** Says that it goes, and does or does not. */
  | 'notice-and-cut'
  | 'notice-and-silence';

export interface LdapServer extends AsyncDisposable {
  readonly port: number;
  /** Every request so far, in the order it came. */
  readonly requests: readonly LdapRequest[];
  /** What it was sent inside of TLS, whatever that was. */
  readonly receivedBytes: number;
  /** How many connections were ever made, and how many are open. */
  readonly connections: number;
  readonly open: number;
  /** How many TCP connections are open, TLS or not yet. */
  readonly openBelow: number;
  /** How many connections went on with the TLS session of one before. */
  readonly resumed: number;
  /** Cuts every connection and goes on listening. */
  cutAll(): void;
  /** Shows another certificate from the next connection on. */
  renew(certificate: LdapServerOptions['certificate']): void;
  /** Cuts every connection and takes no more. Idempotent. */
  stop(): Promise<void>;
  /** Takes connections again after `stop`, at the same port. */
  start(): Promise<void>;
}

export interface LdapServerOptions {
  readonly certificate: Pick<TestCertificate, 'cert' | 'key'>;
  readonly answer: (request: LdapRequest) => LdapAnswer | Promise<LdapAnswer>;
}

/** An LDAPS server on loopback that says what a test tells it to, however wrong that is. */
export async function startLdapServer(options: LdapServerOptions): Promise<LdapServer> {
  const { certificate, answer } = options;
  const requests: LdapRequest[] = [];
  const sockets = new Set<TLSSocket>();
  let connections = 0;
  let receivedBytes = 0;
  let resumed = 0;
  const server = createServer({ cert: certificate.cert, key: certificate.key }, (socket) => {
    connections += 1;
    if (socket.isSessionReused()) resumed += 1;
    const connection = connections;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A test that cuts a connection expects it to end in an error.
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => (receivedBytes += chunk.length));
    readMessages(socket, (message) => {
      const read = readRequest(message, connection);
      if (read === undefined) return;
      requests.push(read.request);
      void Promise.resolve(answer(read.request)).then((given) => {
        perform(socket, read, given);
      });
    });
  });
  let openBelow = 0;
  server.on('connection', (socket: Socket) => {
    openBelow += 1;
    socket.once('close', () => (openBelow -= 1));
  });
  // A client that does not like our certificate is a test, too.
  server.on('tlsClientError', () => undefined);
  const start = async (at: number): Promise<void> => {
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
  };
  await start(0);
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return {
    port,
    requests,
    get connections() {
      return connections;
    },
    get receivedBytes() {
      return receivedBytes;
    },
    get openBelow() {
      return openBelow;
    },
    get resumed() {
      return resumed;
    },
    get open() {
      return sockets.size;
    },
    cutAll: () => {
      for (const socket of sockets) socket.destroy();
    },
    renew: ({ cert, key }) => {
      server.setSecureContext({ cert, key });
    },
    stop,
    start: () => start(port),
    [Symbol.asyncDispose]: stop,
  };
}

function readMessages(socket: TLSSocket, use: (message: Buffer) => void): void {
  let buffered: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffered = splitMessages(Buffer.concat([buffered, chunk]), use);
  });
}

function perform(socket: TLSSocket, read: ReadRequest, answer: LdapAnswer): void {
  if (Buffer.isBuffer(answer)) {
    socket.write(answer);
    return;
  }
  switch (answer) {
    case 'silence':
      return;
    case 'cut':
      socket.destroy();
      return;
    case 'notice-and-cut':
      socket.write(noticeOfDisconnection(), () => socket.destroy());
      return;
    case 'notice-and-silence':
      socket.write(noticeOfDisconnection());
      return;
    default: {
      const bytes = writeAnswer(read, answer);
      if (answer.cutAfter === undefined) socket.write(bytes);
      else socket.write(bytes.subarray(0, answer.cutAfter), () => socket.destroy());
    }
  }
}
