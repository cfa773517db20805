import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';
import { createTestCa, type TestCa, type TestCertificate } from '../support/test-ca.ts';

const A_MINUTE_MS = 60_000;

let ca: TestCa;
let first: TestCertificate;
let clock: FakeClock;
let cloud: TestCloud;

beforeEach(async () => {
  ca = await createTestCa();
  first = await ca.issue(['127.0.0.1']);
  clock = new FakeClock(Date.now(), { autoAdvance: false });
  cloud = await startTestCloud({ clock, tls: first });
});

afterEach(() => cloud[Symbol.asyncDispose]());

/** Rejects unless the CA vouches for what the service shows. */
async function dial(): Promise<TLSSocket> {
  const { hostname, port } = new URL(cloud.address);
  const socket = connect({ host: hostname, port: Number(port), ca: ca.ca });
  await once(socket, 'secureConnect');
  return socket;
}

/** The serial number of what the service shows. */
async function shown(): Promise<string> {
  const socket = await dial();
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write('GET /v1/nothing HTTP/1.1\r\nHost: reset.example\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString('latin1');
}

function put(name: 'cert.pem' | 'key.pem', text: string): Promise<void> {
  return writeFile(join(cloud.folder.path, '..', name), text, { mode: 0o600 });
}

async function nextLook(): Promise<void> {
  const looks = (): number => clock.slept.filter((ms) => ms === A_MINUTE_MS).length;
  const before = looks();
  clock.advance(A_MINUTE_MS);
  await eventually(() => looks() > before);
}

test('a renewed certificate is shown within a minute, and connections stay', async () => {
  const open = await dial();
  expect(await ask(open)).toContain('HTTP/1.1');
  const before = await shown();
  const renewed = await ca.issue(['127.0.0.1']);
  await put('cert.pem', renewed.cert);
  await put('key.pem', renewed.key);
  await nextLook();
  expect(await shown()).not.toBe(before);
  expect(cloud.log.of('cloud.certificate_changed')).toHaveLength(1);
  expect(await ask(open)).toContain('HTTP/1.1');
  open.destroy();
});

test('a renewed certificate that cannot be used is told of once, and the old one is kept', async () => {
  const before = await shown();
  const renewed = await ca.issue(['127.0.0.1']);
  await put('cert.pem', renewed.cert); // without its key
  await nextLook();
  expect(cloud.log.of('cloud.certificate_refused')).toEqual([]);
  await nextLook();
  await nextLook();
  expect(cloud.log.of('cloud.certificate_refused')).toMatchObject([
    { fields: { reason: expect.stringContaining('is not the key of the first') as unknown } },
  ]);
  expect(await shown()).toBe(before);
  await put('key.pem', renewed.key);
  await nextLook();
  expect(await shown()).not.toBe(before);
});
