import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askStatus } from '../../src/cloud/cli/ask-status.ts';
import { ServiceStatus } from '../../src/cloud/health/service-status.ts';
import type { Clock } from '../../src/support/clock.ts';
import { breakDatabase } from '../support/break-database.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { SkippingClock } from '../support/skipping-clock.ts';
import { startTestCloud, TEST_ISSUER, type TestCloud } from '../support/start-cloud.ts';

const started: AsyncDisposable[] = [];
let cloud: TestCloud;

beforeEach(async () => {
  cloud = await startTestCloud();
  started.push(cloud);
});

afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

/** As strict as whoever reads it may be. */
async function status(): Promise<ServiceStatus> {
  const { status: code, text } = await cloud.health('/status.json');
  expect(code).toBe(200);
  return ServiceStatus.strict().parse(JSON.parse(text));
}

test('a service says how it is: who is connected here, its directories, and when what it has ends', async () => {
  const agent = await ScriptedAgent.create(cloud);
  started.push(agent);
  await agent.join();
  await agent.connect();
  const found = await eventually(async () => {
    const now = await status();
    expect(now.sessions.working).toBe(1);
    return now;
  });
  expect(found).toMatchObject({
    ...{ url: TEST_ISSUER, notReady: [], warnings: [], stuck: [] },
    build: { version: '0.1.0', pid: process.pid },
    database: { kind: 'sqlite', reachable: true },
    sessions: { working: 1, unwell: 0, unapproved: 0, greeting: 0 },
    directories: [
      { id: 'corp', connectivity: 'up', writeback: { enabled: true }, operationsPending: 0 },
    ],
    keySet: { number: 1 },
  });
  expect(Date.parse(found.certificate?.expiresAt ?? '')).toBeGreaterThan(Date.now());
  expect(found).not.toHaveProperty('node');
});

test('a paused directory is said to be, and neither who paused it nor why', async () => {
  const until = new Date(Date.now() + 3600_000).toISOString();
  const body = { enabled: false, reason: 'Ada Lovelace asked', until };
  expect(await cloud.call('PUT', 'writeback', { body })).toMatchObject({ status: 200 });
  const { directories = [] } = await status();
  expect(directories).toMatchObject([{ id: 'corp', writeback: { enabled: false } }]);
  expect(Date.parse(directories[0]?.writeback.until ?? '')).toBe(Math.floor(Date.parse(until)));
  const { text } = await cloud.health('/status.json');
  expect(text).not.toMatch(/Ada|Lovelace|admin/);
});

test('a support bundle takes of it what its schema knows, and a running service is found where it listens', async () => {
  const { hostname, port } = new URL(cloud.healthAddress);
  const said = await askStatus({ host: hostname, port: Number(port) });
  expect(said).toMatchObject({ url: TEST_ISSUER, database: { reachable: true } });
  expect(await askStatus({ host: '0.0.0.0', port: Number(port) })).toMatchObject({ notReady: [] });
});

test.each([
  ['sends elsewhere', 302],
  ['sends more than a status can be', 200],
])(
  'while the service is down, whoever has its port and %s is not believed',
  async (_what, code) => {
    const location = `${cloud.healthAddress}/status.json`;
    const { text } = await cloud.health('/status.json');
    const stranger = createServer((_request, response) => {
      response.writeHead(code, { location }).end(text.padEnd(1024 * 1024 + 1));
    }).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { port } = stranger.address() as AddressInfo;
    expect(await askStatus({ host: '127.0.0.1', port })).toEqual({
      problem: `no running service of this version answers at http://127.0.0.1:${port}/status.json`,
    });
    stranger.close();
  },
);

test('what the database does not say is left out, and all the rest is said', async () => {
  using _ = breakDatabase(cloud.folder.database);
  const found = await status();
  expect(found).toMatchObject({ database: { reachable: true }, keySet: { number: 1 } });
  expect(found).not.toHaveProperty('directories');
});

test('a loop that hangs is told by both listeners, and under its name', async () => {
  const time = new HangingClock();
  await using hanging = await startTestCloud({ clock: time });
  cloud = hanging;
  expect(await cloud.health('/livez')).toEqual({ status: 200, text: 'ok\n' });
  time.hangs = true;
  for (let step = 0; step < 3; step += 1) {
    time.skip(10_000); // more at once is a machine that was asleep
    await cloud.health('/livez');
  }
  expect(await cloud.health('/livez')).toEqual({
    status: 503,
    text: expect.stringMatching(
      /^the look at the sessions has not come round for \d\d s\n$/,
    ) as unknown,
  });
  expect(await cloud.call('GET', '/livez')).toMatchObject({ status: 503, body: 'stuck\n' });
  expect((await status()).stuck).toHaveLength(1);
});

/** Whoever sleeps for a second sleeps for ever, once told so. */
class HangingClock extends SkippingClock implements Clock {
  hangs = false;

  override sleep(ms: number, signal: AbortSignal): Promise<void> {
    return super.sleep(this.hangs && ms === 1_000 ? 2 ** 31 - 1 : ms, signal);
  }
}
