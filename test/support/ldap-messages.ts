import { BerReader, BerWriter, Change, FilterParser, type Filter } from 'ldapts';

/** Protocol operations (RFC 4511 section 4.2 and following): request tag to name and response tag. */
const OPERATIONS = {
  0x60: { op: 'bind', response: 0x61 },
  0x63: { op: 'search', response: 0x65 },
  0x66: { op: 'modify', response: 0x67 },
} as const;

const SEARCH_ENTRY = 0x64;
const EXTENDED_RESPONSE = 0x78;
const RESPONSE_NAME = 0x8a;
const SET = 0x31;
const OCTET_STRING = 0x04;
const BOOLEAN = 0x01;
const SIMPLE_PASSWORD = 0x80;
const CONTROLS = 0xa0;

export interface LdapChange {
  readonly operation: 'add' | 'delete' | 'replace';
  readonly attribute: string;
  readonly values: readonly Buffer[];
}

export interface LdapControl {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

export interface LdapRequest {
  readonly op: 'bind' | 'search' | 'modify';
  /** Of a search or modify the object, of a bind the name. */
  readonly dn: string;
  /** Of a bind. */
  readonly password: string;
  /** Of a search. */
  readonly scope: number;
  readonly filter?: Filter;
  readonly attributes: readonly string[];
  /** Of a modify. */
  readonly changes: readonly LdapChange[];
  readonly controls: readonly LdapControl[];
  /** On which connection it came, counted from 1. */
  readonly connection: number;
}

export interface LdapEntry {
  readonly dn: string;
  readonly attributes: Readonly<Record<string, readonly (string | Buffer)[]>>;
}

export interface LdapResult {
  readonly result?: number;
  readonly diagnostic?: string;
  readonly entries?: readonly LdapEntry[];
  /** Instead of the one that was asked with. */
  readonly messageId?: number;
}

/** A request, and what an answer to it needs. */
export interface ReadRequest {
  readonly id: number;
  readonly response: number;
  readonly request: LdapRequest;
}

/** Takes the whole messages off the front of `buffered`; answers what is left. */
export function splitMessages(buffered: Buffer, use: (message: Buffer) => void): Buffer {
  let rest = buffered;
  for (;;) {
    const reader = new BerReader(rest);
    if (reader.readSequence() === null || reader.remain < reader.length) return rest;
    const end = reader.offset + reader.length;
    use(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
}

/** Undefined for what has no answer: unbind and abandon. */
export function readRequest(message: Buffer, connection: number): ReadRequest | undefined {
  const reader = new BerReader(message);
  reader.readSequence();
  const id = reader.readInt() ?? 0;
  const known = OPERATIONS[(reader.readSequence() ?? 0) as keyof typeof OPERATIONS] as
    (typeof OPERATIONS)[keyof typeof OPERATIONS] | undefined;
  if (known === undefined) return undefined;
  const end = reader.offset + reader.length;
  const { op, response } = known;
  if (op === 'bind') reader.readInt(); // version
  const dn = reader.readString() ?? '';
  const nothing = { password: '', scope: 0, attributes: [], changes: [] };
  const body = {
    bind: () => ({ password: reader.readString(SIMPLE_PASSWORD) ?? '' }),
    search: () => readSearch(reader),
    modify: () => ({ changes: readChanges(reader) }),
  }[op]();
  reader.offset = end;
  const controls = readControls(reader);
  return { id, response, request: { op, dn, ...nothing, ...body, controls, connection } };
}

function readSearch(reader: BerReader): Pick<LdapRequest, 'scope' | 'filter' | 'attributes'> {
  const scope = reader.readEnumeration() ?? 0;
  reader.readEnumeration(); // aliases
  reader.readInt(); // size limit
  reader.readInt(); // time limit
  reader.readBoolean(); // types only
  const filter = FilterParser.parse(reader);
  reader.readSequence();
  const attributes: string[] = [];
  for (const end = reader.offset + reader.length; reader.offset < end;) {
    attributes.push(reader.readString() ?? '');
  }
  return { scope, filter, attributes };
}

function readChanges(reader: BerReader): LdapChange[] {
  reader.readSequence();
  const changes: LdapChange[] = [];
  for (const end = reader.offset + reader.length; reader.offset < end;) {
    const change = new Change();
    change.parse(reader);
    const { operation, modification } = change;
    changes.push({ operation, attribute: modification.type, values: modification.parsedBuffers });
  }
  return changes;
}

function readControls(reader: BerReader): LdapControl[] {
  const controls: LdapControl[] = [];
  if (reader.peek() !== CONTROLS) return controls;
  reader.readSequence();
  for (const end = reader.offset + reader.length; reader.offset < end;) {
    reader.readSequence();
    const last = reader.offset + reader.length;
    const oid = reader.readString() ?? '';
    const critical = reader.peek() === BOOLEAN && reader.readBoolean() === true;
    const value = reader.offset < last ? reader.readString(OCTET_STRING, true) : null;
    controls.push({ oid, critical, value: value ?? Buffer.alloc(0) });
  }
  return controls;
}

/** The entries and the result of one request. */
export function writeAnswer({ id, response }: ReadRequest, answer: LdapResult): Buffer {
  const messageId = answer.messageId ?? id;
  return Buffer.concat([
    ...(answer.entries ?? []).map((entry) =>
      writeMessage(messageId, SEARCH_ENTRY, (writer) => {
        writeEntry(writer, entry);
      }),
    ),
    writeMessage(messageId, response, (writer) => {
      writeResult(writer, answer.result ?? 0, answer.diagnostic ?? '');
    }),
  ]);
}

/** What a server sends before it goes: an unsolicited notification (RFC 4511 section 4.4.1). */
export function noticeOfDisconnection(): Buffer {
  return writeMessage(0, EXTENDED_RESPONSE, (writer) => {
    writeResult(writer, 52, 'the server is shutting down');
    writer.writeString('1.3.6.1.4.1.1466.20036', RESPONSE_NAME);
  });
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

function writeResult(writer: BerWriter, result: number, diagnostic: string): void {
  writer.writeEnumeration(result);
  writer.writeString('');
  writer.writeString(diagnostic);
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
