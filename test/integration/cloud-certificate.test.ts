import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Server as TlsServer, connect, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readOwnCertificate, watchCertificate } from '../../src/cloud/own-certificate.ts';
import { CONNECTION_LIMITS, createPublicServer } from '../../src/cloud/public-server.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { startTestCloud } from '../support/start-cloud.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa, type TestCa, type TestCertificate } from '../support/test-ca.ts';

const A_MINUTE_MS = 60_000;

let folder: TemporaryFolder;
let ca: TestCa;
let clock: FakeClock;
let log: MemoryLog;
let server: TlsServer;
let stopping: AbortController;

beforeEach(async () => {
  folder = await temporaryFolder();
  ca = await createTestCa();
  clock = new FakeClock(Date.now(), { autoAdvance: false });
  log = new MemoryLog();
  stopping = new AbortController();
  await put(await ca.issue(['127.0.0.1']));
  const { certificateFile, keyFile } = files();
  const listen = { host: '127.0.0.1', port: 0, maxConnections: 10, certificateFile, keyFile };
  const shown = await readOwnCertificate(listen);
  const made = createPublicServer(shown, { ...CONNECTION_LIMITS, connections: 10 });
  if (!(made instanceof TlsServer) || shown === undefined) throw new Error('it is without TLS');
  server = made;
  server.on('request', (_request, response: { end(text: string): void }) => {
    response.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  void watchCertificate(server, { listen, shown, clock, log }, stopping.signal);
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
