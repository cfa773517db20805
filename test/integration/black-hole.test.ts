import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { createToken } from '../support/scripted-agent.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

const FOR_EVER = 1e9;

let cloud: TestCloud;
let agent: StartedAgent;
let proxy: FaultProxy;
const clocks = { agent: new FakeClock(), service: new FakeClock() };

/** The agent and the service as they are, each with a clock of its own; what is between them can swallow everything. */
beforeEach(async () => {
  const stopped = { autoAdvance: false };
  clocks.agent = new FakeClock(Date.now(), stopped);
  clocks.service = new FakeClock(Date.now(), stopped);
  cloud = await startTestCloud({ clock: clocks.service });
  const upstream = { host: '127.0.0.1', port: Number(new URL(cloud.address).port) };
  proxy = await FaultProxy.start(upstream, new FakeClock(0, stopped));
  const token = await createToken(cloud);
  const enroller = {
    url: cloud.address,
    ca: cloud.tls.ca,
    enrollmentToken: () => token,
    sessions: [],
  };
  agent = await StartedAgent.enroll(enroller, {
    directory: new FakeDirectory(),
    url: `https://127.0.0.1:${proxy.port}`,
    clock: clocks.agent,
  });
  agent.start();
  await eventually(() => agent.log.of('link.up').length === 1);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

/** From now on nothing of the open connection arrives anywhere, and nobody is told. */
function blackHole(): void {
  for (const direction of ['up', 'down'] as const) {
    proxy.inflict({ kind: 'stall', direction, ms: FOR_EVER });
  }
}

/** Lets the agent's time pass second by second, and gives the seconds until its link was down. */
async function secondsUntilDown(limit: number): Promise<number> {
  for (let seconds = 1; seconds <= limit; seconds++) {
    clocks.agent.advance(1_000);
    // Real sockets and microtasks get their turn in between.
    await new Promise((resolve) => setImmediate(resolve));
    if (agent.log.of('link.down').length > 0) return seconds;
  }
  return Number.POSITIVE_INFINITY;
}

test('a link that works is not given up, however long nobody says anything but ping and pong', async () => {
  for (let beat = 1; beat <= 4; beat++) {
    clocks.agent.advance(25_000);
    await eventually(() => clocks.agent.slept.filter((ms) => ms === 25_000).length === beat + 1);
  }
  expect(agent.log.of('link.down')).toEqual([]);
});

test('a black-holed link is noticed by the agent within 40 s of its own clock, and dialled anew', async () => {
  blackHole();
  expect(await secondsUntilDown(60)).toBeLessThanOrEqual(40);
  expect(agent.log.of('link.down')[0]?.fields.reason).toContain('no answer to a ping');
  clocks.service.advance(40_000);
  await eventually(() => cloud.log.of('cloud.link_down').length === 1);
  await eventually(() => {
    clocks.agent.advance(1_000);
    return agent.log.of('link.up').length === 2;
  });
});

test('a black-holed link is given up by the service within a second after 40 s of silence, and not before', async () => {
  clocks.agent.advance(25_000); // one pong proves that both sides are at rest
  await eventually(() => clocks.agent.slept.filter((ms) => ms === 25_000).length === 2);
  blackHole();
  clocks.service.advance(39_999);
  await new Promise((resolve) => setImmediate(resolve));
  expect(cloud.log.of('cloud.link_down')).toEqual([]);
  clocks.service.advance(1_000); // all sessions are looked at once a second
  await eventually(() => {
    expect(cloud.log.of('cloud.link_down')).toMatchObject([{ fields: { reason: 'silence' } }]);
  });
});
