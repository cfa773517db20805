import { createSocket } from 'node:dgram';
import type { SrvRecord } from 'node:dns';
import { once } from 'node:events';

/** DNS response codes (RFC 1035 section 4.1.1). */
const SERVFAIL = 2;
const NXDOMAIN = 3;

const HEADER_BYTES = 12;
const TYPE_SRV = 33;
const CLASS_IN = 1;

/** What is said of one name: its SRV records (RFC 2782), that something is wrong, or nothing at all. */
export type DnsAnswer = readonly Partial<SrvRecord>[] | 'servfail' | 'silence';

export interface DnsServer extends AsyncDisposable {
  /** As `Resolver.setServers` takes it. */
  readonly address: string;
  /** Every name that was asked for, in lower case. */
  readonly asked: readonly string[];
}

/** A DNS server on loopback; whatever `zone` has no answer for does not exist. */
export async function startDnsServer(
  zone: (name: string) => DnsAnswer | undefined,
): Promise<DnsServer> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const { name, end } = readName(query, HEADER_BYTES);
    asked.push(name);
    const answer = zone(name);
    if (answer === 'silence') return;
    socket.send(respond(query.subarray(0, end + 4), answer), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** The question goes back in front of the answers, with the header of a recursive server. */
function respond(question: Buffer, answer: Exclude<DnsAnswer, 'silence'> | undefined): Buffer {
  const records = Array.isArray(answer) ? (answer as readonly Partial<SrvRecord>[]) : [];
  const code = answer === undefined ? NXDOMAIN : answer === 'servfail' ? SERVFAIL : 0;
  const header = Buffer.from(question.subarray(0, HEADER_BYTES));
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, question.subarray(HEADER_BYTES), ...records.map(writeRecord)]);
}

function writeRecord({ priority = 0, weight = 100, port = 389, name = '' }: Partial<SrvRecord>) {
  const target = Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from(name === '' ? [] : [0]),
  ]);
  const fixed = Buffer.alloc(18);
  fixed.writeUInt16BE(0xc00c, 0); // the name of the question
  fixed.writeUInt16BE(TYPE_SRV, 2);
  fixed.writeUInt16BE(CLASS_IN, 4);
  fixed.writeUInt32BE(60, 6);
  fixed.writeUInt16BE(6 + target.length, 10);
  [priority, weight, port].forEach((value, i) => fixed.writeUInt16BE(value, 12 + 2 * i));
  return Buffer.concat([fixed, target]);
}

function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}
