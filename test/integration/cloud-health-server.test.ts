import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { createHealthServer, type HealthOptions } from '../../src/cloud/health/health-server.ts';
import { MemoryLog } from '../support/memory-log.ts';

const READY = {
  metrics: { contentType: 'text/plain', text: () => Promise.resolve('up 1\n') },
  readiness: () => Promise.resolve(undefined),
  stuck: () => [],
  warnings: () => [],
  status: () => Promise.reject(new Error('not asked here')),
  log: new MemoryLog(),
} as unknown as HealthOptions;

/** What is answered to a request that names `host`. */
async function ask(isLoopback: boolean, host: string): Promise<readonly [number, string]> {
  const server = createHealthServer({ ...READY, isLoopback });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const asked = request({ host: '127.0.0.1', port, path: '/livez', headers: { host } }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const body = await text(response);
  server.close();
  server.closeAllConnections();
  return [response.statusCode ?? 0, body];
}

test.each(['localhost', '127.0.0.1:9465', '[::1]:9465'])(
  'on the loopback interface, whoever asks %s is answered',
  async (host) => {
    expect(await ask(true, host)).toEqual([200, 'ok\n']);
  },
);

test('on the loopback interface, a page whose own name leads there is not answered', async () => {
  expect(await ask(true, 'evil.example:9465')).toEqual([
    421,
    '"evil.example" is not this machine\n',
  ]);
});

test('where other machines may ask, the service is asked by any name', async () => {
  expect(await ask(false, 'reset-1.example.com:9465')).toEqual([200, 'ok\n']);
});
