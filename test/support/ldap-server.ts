import { once } from 'node:events';
import { createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { BerReader, BerWriter } from 'ldapts';
import type { TestCertificate } from './test-ca.ts';

/** Protocol operations (RFC 4511 section 4.2 and following): request tag to name and response tag. */
const OPERATIONS = {
  0x60: { op: 'bind', response: 0x61 },
  0x63: { op: 'search', response: 0x65 },
  0x66: { op: 'modify', response: 0x67 },
} as const;

const SEARCH_ENTRY = 0x64;
const SET = 0x31;
const OCTET_STRING = 0x04;
const SIMPLE_PASSWORD = 0x80;
const CONTROLS = 0xa0;
const BOOLEAN = 0x01;

export interface LdapRequest {
  readonly op: 'bind' | 'search' | 'modify';
  /** Of a search or modify the object, of a bind the name. */
  readonly dn: string;
  /** Of a bind. */
  readonly password: string;
  /** Of a search. */
  readonly scope: number;
  readonly controls: readonly LdapControl[];
  /** On which connection it came, counted from 1. */
  readonly connection: number;
}

export interface LdapControl {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

export interface LdapEntry {
  readonly dn: string;
  readonly attributes: Readonly<Record<string, readonly (string | Buffer)[]>>;
}

/** What the server does with a request: an LDAP result, bytes as they are, nothing, or an end of the connection. */
export type LdapAnswer =
  | {
      readonly result?: number;
      readonly diagnostic?: string;
      readonly entries?: readonly LdapEntry[];
      /** Sends only so many bytes of it, and then cuts. */
      readonly cutAfter?: number;
    }
  | Buffer
  | 'silence'
  | 'cut';

export interface LdapServer extends AsyncDisposable {
  readonly port: number;
  /** Every request so far, in the order it came. */
  readonly requests: readonly LdapRequest[];
  /** How many connections were ever made, and how many are open. */
  readonly connections: number;
  readonly open: number;
  /** Cuts every connection and goes on listening. */
  cutAll(): void;
  /** Cuts every connection and takes no more. Idempotent. */
  stop(): Promise<void>;
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
  const server = createServer({ cert: certificate.cert, key: certificate.key }, (socket) => {
    connections += 1;
    const connection = connections;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A test that cuts a connection expects it to end in an error.
    socket.on('error', () => undefined);
    readMessages(socket, (message) => {
      const read = readRequest(message, connection);
      if (read === undefined) return;
      requests.push(read.request);
      void Promise.resolve(answer(read.request)).then((given) => {
        perform(socket, read, given);
      });
    });
  });
  // A client that does not like our certificate is a test, too.
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    cutAll: () => {
      for (const socket of sockets) socket.destroy();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Read {
  readonly id: number;
  readonly response: number;
  readonly request: LdapRequest;
}

function readMessages(socket: TLSSocket, use: (message: Buffer) => void): void {
  let buffered = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    for (;;) {
      const reader = new BerReader(buffered);
      if (reader.readSequence() === null || reader.remain < reader.length) return;
      const end = reader.offset + reader.length;
      use(buffered.subarray(0, end));
      buffered = buffered.subarray(end);
    }
  });
}

function readRequest(message: Buffer, connection: number): Read | undefined {
  const reader = new BerReader(message);
  reader.readSequence();
  const id = reader.readInt() ?? 0;
  const known = OPERATIONS[(reader.readSequence() ?? 0) as keyof typeof OPERATIONS] as
    (typeof OPERATIONS)[keyof typeof OPERATIONS] | undefined;
  if (known === undefined) return undefined; // unbind, abandon
  const { op, response } = known;
  const controls = readControls(message.subarray(reader.offset + reader.length));
  if (op === 'bind') reader.readInt(); // version
  const dn = reader.readString() ?? '';
  const password = op === 'bind' ? (reader.readString(SIMPLE_PASSWORD) ?? '') : '';
  const scope = op === 'search' ? (reader.readEnumeration() ?? 0) : 0;
  return { id, response, request: { op, dn, password, scope, controls, connection } };
}

/** What follows the operation: `controls [0] Controls OPTIONAL` (RFC 4511 section 4.1.1). */
function readControls(bytes: Buffer): readonly LdapControl[] {
  const found: LdapControl[] = [];
  const reader = new BerReader(bytes);
  if (reader.readSequence(CONTROLS) === null) return found;
  const end = reader.offset + reader.length;
  while (reader.offset < end) {
    reader.readSequence();
    const after = reader.offset + reader.length;
    const oid = reader.readString() ?? '';
    const critical = reader.peek() === BOOLEAN && reader.readBoolean() === true;
    const value = reader.offset < after ? reader.readString(OCTET_STRING, true) : null;
    found.push({ oid, critical, value: value ?? Buffer.alloc(0) });
  }
  return found;
}

function perform(socket: TLSSocket, { id, response }: Read, answer: LdapAnswer): void {
  if (answer === 'silence') return;
  if (answer === 'cut') {
    socket.destroy();
    return;
  }
  if (Buffer.isBuffer(answer)) {
    socket.write(answer);
    return;
  }
  const { entries = [], cutAfter } = answer;
  const bytes = Buffer.concat([
    ...entries.map((entry) =>
      writeMessage(id, SEARCH_ENTRY, (writer) => {
        writeEntry(writer, entry);
      }),
    ),
    writeMessage(id, response, (writer) => {
      writer.writeEnumeration(answer.result ?? 0);
      writer.writeString('');
      writer.writeString(answer.diagnostic ?? '');
    }),
  ]);
  if (cutAfter === undefined) socket.write(bytes);
  else socket.write(bytes.subarray(0, cutAfter), () => socket.destroy());
}

function writeMessage(id: number, tag: number, write: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(tag);
  write(writer);
  writer.endSequence();
  writer.endSequence();
  return writer.buffer;
}

function writeEntry(writer: BerWriter, { dn, attributes }: LdapEntry): void {
  writer.writeString(dn);
  writer.startSequence();
  for (const [name, values] of Object.entries(attributes)) {
    writer.startSequence();
    writer.writeString(name);
    writer.startSequence(SET);
    for (const value of values) writer.writeBuffer(Buffer.from(value), OCTET_STRING);
    writer.endSequence();
    writer.endSequence();
  }
  writer.endSequence();
}
