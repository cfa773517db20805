import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { expect, test } from 'vitest';
import { ServiceMetrics } from '../../src/cloud/health/metrics.ts';
import { acceptUpgrades, type UpgradeOptions } from '../../src/cloud/link/accept-upgrades.ts';
import {
  CONNECTION_LIMITS,
  createPublicServer,
  guardEntrance,
} from '../../src/cloud/public-server.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { systemClock } from '../../src/support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { signingPair } from '../support/service-keys.ts';
import {
  startTestCloud,
  TEST_DIRECTORY,
  TEST_ISSUER,
  type TestCloud,
} from '../support/start-cloud.ts';

/** A connection on which nothing is said. */
async function stranger(cloud: TestCloud): Promise<Socket> {
  const socket = connect(Number(new URL(cloud.address).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

test('strangers cannot take more connections than the service has for them', async () => {
  const limits = { connections: 3 };
  await using cloud = await startTestCloud({ limits });
  const first = await stranger(cloud);
  const others = [await stranger(cloud), await stranger(cloud)];
  await once(await stranger(cloud), 'close');
  expect(others.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  await expect(cloud.call('GET', 'status')).rejects.toThrow();
  // Said once a minute, however many are turned away.
  expect(cloud.log.of('cloud.connections_full')).toHaveLength(1);
  first.destroy();
  await eventually(async () => {
    expect(await cloud.call('GET', 'status')).toMatchObject({ status: 200 });
  });
  for (const socket of others) socket.destroy();
});

test('behind a reverse proxy, without TLS, requests come in whole, and one connection takes several', async () => {
  const limits = { ...CONNECTION_LIMITS, connections: 10 };
  const server = createPublicServer(undefined, limits);
  const stopping = new AbortController();
  const { signal } = stopping;
  guardEntrance(server, { limits, clock: systemClock, log: new MemoryLog(), stopping: signal });
  server.on('request', (request, response) => {
    let bytes = 0;
    request.on('data', (data: Buffer) => (bytes += data.length));
    request.on('end', () => response.end(`got ${bytes} bytes`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let answers = '';
  socket.on('data', (data: Buffer) => (answers += data.toString()));
  for (const body of ['x'.repeat(100_000), 'second']) {
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
    await eventually(() => answers.endsWith(`got ${body.length} bytes`));
  }
  stopping.abort();
  socket.destroy();
  server.close();
  await once(server, 'close');
});

test('who does not end the handshake is cut off, and nobody else', async () => {
  const entrance = {
    ...{ atOnce: 2, perNetwork: 2, placeMs: 3_000, idlePlaceMs: 500 },
    ...{ waitMs: 6_000, silentMs: 1_000 },
  };
  const limits = { connections: 100, handshakeMs: 1_000, entrance };
  await using cloud = await startTestCloud({ limits });
  const [silent, halting] = [await stranger(cloud), await stranger(cloud)];
  halting.write(Buffer.from([0x16, 0x03, 0x01])); // the beginning of a ClientHello
  const cutOff = Promise.all([once(silent, 'close'), once(halting, 'close')]);
  expect(await cloud.call('GET', 'status')).toMatchObject({ status: 200 });
  await cutOff;
});

function statusRequest({ issuer }: TestCloud, key: string): string {
  const { host } = new URL(issuer);
  const lines = [`GET /v1/directories/${TEST_DIRECTORY}/status HTTP/1.1`, `Host: ${host}`];
  return [...lines, `Authorization: Bearer ${key}`, '', ''].join('\r\n');
}

/** One place, which whoever is in gives back at once or not before the test is over. */
const ONE_PLACE = {
  ...{ atOnce: 1, perNetwork: 1, placeMs: 60_000, idlePlaceMs: 60_000 },
  ...{ waitMs: 2_000, silentMs: 60_000 },
};

test('a connection that has made a request is in, and keeps nobody out', async () => {
  await using cloud = await startTestCloud({ limits: { entrance: ONE_PLACE } });
  const { hostname: host, port } = new URL(cloud.address);
  const first = tlsConnect({ host, port: Number(port), ca: cloud.tls.ca });
  first.write(statusRequest(cloud, cloud.adminKey));
  const [answer] = (await once(first, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  expect(await cloud.call('GET', 'status')).toMatchObject({ status: 200 });
  expect(first.destroyed).toBe(false);
  first.destroy();
});

test('only who has a key may keep a connection open', async () => {
  await using cloud = await startTestCloud();
  const { hostname: host, port } = new URL(cloud.address);
  const dial = () => tlsConnect({ host, port: Number(port), ca: cloud.tls.ca });
  const [known, stranger, prober] = [dial(), dial(), dial()];
  known.write(statusRequest(cloud, cloud.adminKey));
  stranger.write(statusRequest(cloud, 'pbk_guessed'));
  prober.write(`GET /livez HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const closed = [stranger, prober].map((socket) => once(socket.resume(), 'close'));
  await once(known, 'data');
  await Promise.all(closed);
  known.write(statusRequest(cloud, cloud.adminKey));
  const [answer] = (await once(known, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  known.destroy();
});

test('an agent that has been welcomed is in, and keeps nobody out', async () => {
  await using cloud = await startTestCloud({ limits: { entrance: ONE_PLACE } });
  await using agent = await ScriptedAgent.create(cloud);
  await agent.enroll();
  await agent.connect();
  expect(await cloud.call('GET', 'agents')).toMatchObject({
    body: { agents: [{ id: agent.id, connected: true }] },
  });
});

test('who is turned away at the entrance is told of once a minute, and nobody waits once the service stops', async () => {
  const entrance = { ...ONE_PLACE, waitMs: 300 };
  const cloud = await startTestCloud({ limits: { entrance } });
  const all = [await stranger(cloud), await stranger(cloud), await stranger(cloud)];
  for (const socket of all) socket.write(Buffer.from([0x16, 0x03, 0x01]));
  await eventually(() => {
    expect(all.filter(({ destroyed }) => destroyed)).toHaveLength(2);
  });
  expect(cloud.log.of('cloud.connections_turned_away')).toMatchObject([
    { level: 'warn', fields: { dropped: 1, remote: '127.0.0.1' } },
  ]);
  const silent = await stranger(cloud);
  const cut = once(silent, 'close');
  await cloud[Symbol.asyncDispose]();
  await cut;
});

test('only so many upgrades are decided at one time; the rest is asked to come back', async () => {
  const device = await signingPair();
  const agent = '00000000-0000-4000-8000-000000000001';
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: agent, sub: agent, jti: agent, aud: TEST_ISSUER, iat, exp: iat + 60 };
  const authorization = `Bearer ${await signToken('connect', claims, device.signing)}`;
  let answer: () => void = () => undefined;
  const slow = new Promise<undefined>((resolve) => {
    answer = () => {
      resolve(undefined); // no such agent
    };
  });
  const server = createServer();
  const store = { agents: { identity: () => slow } };
  const meters = new ServiceMetrics();
  acceptUpgrades(server, {
    core: { issuer: TEST_ISSUER, clock: systemClock, log: new MemoryLog(), store, meters },
    entrance: { isIn: () => undefined },
    draining: new AbortController().signal,
  } as unknown as UpgradeOptions);
  const upgrade = async (): Promise<string> => {
    const socket = new PassThrough();
    const headers = { 'sec-websocket-protocol': 'passback.v1', authorization };
    server.emit('upgrade', { url: '/v1/connect', headers, socket: {} }, socket, Buffer.alloc(0));
    const [data] = (await once(socket, 'data')) as [Buffer];
    return data.toString();
  };
  const deciding = Array.from({ length: 1_024 }, upgrade);
  expect(await upgrade()).toMatch(/^HTTP\/1\.1 503 [^]*Retry-After: (?:[5-9]|[12]\d|30)\r/);
  answer();
  for (const decided of await Promise.all(deciding)) expect(decided).toMatch(/^HTTP\/1\.1 401 /);
  expect(await upgrade()).toMatch(/^HTTP\/1\.1 401 /);
});
