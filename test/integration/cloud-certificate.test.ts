import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Server as TlsServer, connect, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expiryWarnings } from '../../src/cloud/health/expiry.ts';
import {
  readOwnCertificate,
  ShownCertificate,
  watchCertificate,
} from '../../src/cloud/own-certificate.ts';
import { CONNECTION_LIMITS, createPublicServer } from '../../src/cloud/public-server.ts';
import { Rounds } from '../../src/support/rounds.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { startTestCloud } from '../support/start-cloud.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa, type TestCa, type TestCertificate } from '../support/test-ca.ts';

const A_MINUTE_MS = 60_000;
const DAY_MS = 24 * 3600_000;

let folder: TemporaryFolder;
let ca: TestCa;
let clock: FakeClock;
let log: MemoryLog;
let server: TlsServer;
let stopping: AbortController;
let shown: ShownCertificate;

beforeEach(async () => {
  folder = await temporaryFolder();
  ca = await createTestCa();
  clock = new FakeClock(Date.now(), { autoAdvance: false });
  log = new MemoryLog();
  stopping = new AbortController();
  await put(await ca.issue(['127.0.0.1']));
  const { certificateFile, keyFile } = files();
  const listen = { host: '127.0.0.1', port: 0, maxConnections: 10, certificateFile, keyFile };
  const pair = await readOwnCertificate(listen);
  const made = createPublicServer(pair, { ...CONNECTION_LIMITS, connections: 10 });
  if (!(made instanceof TlsServer) || pair === undefined) throw new Error('it is without TLS');
  server = made;
  shown = new ShownCertificate(pair);
  server.on('request', (_request, response: { end(text: string): void }) => {
    response.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  void watchCertificate(
    server,
    { ...{ listen, shown, clock, log }, rounds: new Rounds(clock) },
    stopping.signal,
  );
});

afterEach(async () => {
  stopping.abort();
  server.close();
  await once(server, 'close');
  await folder[Symbol.asyncDispose]();
});

function files(): { readonly certificateFile: string; readonly keyFile: string } {
  const [certificateFile, keyFile] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  return { certificateFile, keyFile };
}

async function put({ cert, key }: Partial<TestCertificate>): Promise<void> {
  const { certificateFile, keyFile } = files();
  if (cert !== undefined) await writeFile(certificateFile, cert);
  if (key !== undefined) await writeFile(keyFile, key, { mode: 0o600 });
}

/** Rejects unless the CA vouches for what the service shows. */
async function dial(): Promise<TLSSocket> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, ca: ca.ca });
  await once(socket, 'secureConnect');
  return socket;
}

/** The serial number of what the service shows. */
async function shownNow(): Promise<string> {
  const socket = await dial();
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nHost: reset.example\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString('latin1');
}

function inDays(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

async function nextLook(): Promise<void> {
  const looks = clock.slept.length;
  clock.advance(A_MINUTE_MS);
  await eventually(() => clock.slept.length > looks);
}

test('a renewed certificate is shown within a minute, and connections stay', async () => {
  const open = await dial();
  const before = await shownNow();
  await put(await ca.issue(['127.0.0.1']));
  await nextLook();
  expect(await shownNow()).not.toBe(before);
  expect(log.of('cloud.certificate_changed')).toHaveLength(1);
  expect(await ask(open)).toContain('HTTP/1.1 200');
  open.destroy();
});

test('a renewed certificate that cannot be used is told of once each time, and the old one is kept', async () => {
  const before = await shownNow();
  const { cert, key } = await ca.issue(['127.0.0.1']);
  await put({ cert });
  await nextLook(); // its key may be on its way
  expect(log.of('cloud.certificate_refused')).toEqual([]);
  await nextLook();
  await nextLook();
  expect(log.of('cloud.certificate_refused')).toMatchObject([
    { fields: { reason: expect.stringContaining('is not the key of the first') as unknown } },
  ]);
  expect(await shownNow()).toBe(before);
  await put({ key });
  await nextLook();
  expect(await shownNow()).not.toBe(before);

  await put({ cert: (await ca.issue(['127.0.0.1'])).cert }); // the next time, the same again
  await nextLook();
  await nextLook();
  expect(log.of('cloud.certificate_refused')).toHaveLength(2);
});

test.each([
  ['has ended', { notBefore: inDays(-2), notAfter: inDays(-1) }, /is good only until .*; the one/],
  ['is not good yet', { notBefore: inDays(1) }, /is good only from .* on; the one before stays/],
])('a certificate that %s does not take the place of a good one', async (_what, life, reason) => {
  const before = await shownNow();
  await put(await ca.issue(['127.0.0.1'], life));
  await nextLook();
  await nextLook();
  expect(await shownNow()).toBe(before);
  expect(log.of('cloud.certificate_refused')).toMatchObject([
    { fields: { reason: expect.stringMatching(reason) as unknown } },
  ]);
});

test('a renewed certificate ends the warning of the one before, unless it ends soon itself', async () => {
  const warnings = (): readonly string[] =>
    expiryWarnings({ keySet: { expiresAt: Infinity }, certificate: shown }, clock.now());
  await put(await ca.issue(['127.0.0.1'], { notAfter: inDays(29) }));
  await nextLook();
  expect(warnings()).toMatchObject([expect.stringContaining('its TLS certificate ends at')]);
  expect(log.of('cloud.certificate_expires')).toHaveLength(1);
  await put(await ca.issue(['127.0.0.1'], { notAfter: inDays(31) }));
  await nextLook();
  expect(warnings()).toEqual([]);
  expect(log.of('cloud.certificate_changed')).toHaveLength(2);
  expect(log.of('cloud.certificate_expires')).toHaveLength(1);
});

test('a service whose certificate ends in 29 days is ready, and says so wherever it is asked', async () => {
  const notAfter = inDays(29);
  const tls = await ca.issue(['127.0.0.1', 'localhost'], { notAfter });
  await using cloud = await startTestCloud({ tls });
  expect(await cloud.health('/readyz')).toMatchObject({
    status: 200,
    text: expect.stringMatching(
      /^ok\nits TLS certificate ends at .*: renew it in .*\n$/,
    ) as unknown,
  });
  const { text } = await cloud.health('/metrics');
  const seconds = Math.floor(notAfter.getTime() / 1000);
  expect(text).toContain(`passback_cloud_certificate_expiry_timestamp_seconds ${seconds}\n`);
  expect(text).toContain('passback_cloud_ready 1\n');
  expect(cloud.log.of('cloud.certificate_expires')).toMatchObject([{ level: 'warn' }]);
});

test('a running service looks for it', async () => {
  await using cloud = await startTestCloud({ clock });
  const { cert, key } = await ca.issue(['127.0.0.1']);
  await writeFile(join(cloud.folder.path, '..', 'cert.pem'), cert);
  await writeFile(join(cloud.folder.path, '..', 'key.pem'), key);
  await eventually(() => {
    clock.advance(A_MINUTE_MS);
    return cloud.log.of('cloud.certificate_changed').length > 0;
  });
});
