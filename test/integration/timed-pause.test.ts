import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentFleet, type FleetAgent } from '../support/agent-fleet.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { SkippingClock } from '../support/skipping-clock.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

const SHORT_S = 20;

let clock: SkippingClock;
let cloud: TestCloud;
let directory: FakeDirectory;
let fleet: AgentFleet;
let one: FleetAgent;

beforeEach(async () => {
  clock = new SkippingClock();
  cloud = await startTestCloud({ clock });
  directory = new FakeDirectory([{ sam: 'ada', password: 'Old-Password-1' }]);
  fleet = await AgentFleet.start(cloud, directory, 1, clock);
  [one] = fleet.agents as [FleetAgent];
});

afterEach(async () => {
  await fleet[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

interface Status {
  readonly connectivity: string;
  readonly summary: string;
  readonly writeback: { readonly enabled: boolean; readonly version: number; until?: string };
  readonly agents: readonly { readonly report?: { state: string; reasons: readonly string[] } }[];
}

async function status(): Promise<Status> {
  return (await cloud.call('GET', 'status')).body as Status;
}

function put(body: object): ReturnType<TestCloud['call']> {
  return cloud.call('PUT', 'writeback', { body });
}

function pause(more: object = { forSeconds: SHORT_S }): ReturnType<TestCloud['call']> {
  return put({ enabled: false, reason: 'a move', ...more });
}

/** What the agent has said of itself, once the service has it. */
async function reported(state: string): Promise<string> {
  return eventually(async () => {
    const [{ report } = {}] = (await status()).agents;
    expect(report?.state).toBe(state);
    return (report?.reasons ?? []).join();
  });
}

async function audited(action: string): Promise<readonly { readonly detail: object }[]> {
  const { body } = await cloud.call('GET', 'audit?limit=100');
  const { entries } = body as { entries: { action: string; detail: object }[] };
  return entries.filter((entry) => entry.action === action);
}

test('a pause with an end is shown with it on both sides, and ends by itself without a statement', async () => {
  const paused = await pause();
  const { until, version } = paused.body as { until: string; version: number };
  expect(await reported('paused')).toBe(`paused by the service until ${until}: a move`);
  expect(await status()).toMatchObject({
    connectivity: 'paused',
    summary: expect.stringContaining(`until ${until}: a move`) as string,
    writeback: { enabled: false, until },
  });
  const refused = await cloud.call('POST', 'prepare', {
    body: { account: { name: 'ada' }, op: 'unlock' },
  });
  expect(refused).toMatchObject({ status: 503, body: { code: 'PAUSED', notBefore: until } });

  clock.skip(SHORT_S * 1000);
  await reported('running');
  expect(await status()).toMatchObject({
    connectivity: 'up',
    writeback: { enabled: true, version },
  });
  const done = await submitOperation(cloud, await prepareOperation(cloud));
  expect(done.body.status).toBe('applied');
  expect(one.agent.log.of('writeback.resumed')).toHaveLength(1);
  await eventually(() => cloud.log.of('cloud.writeback_resumed').length === 1, 10_000);
  expect(await audited('writeback.resumed')).toMatchObject([{ detail: { version, until } }]);
  expect(await audited('writeback.paused')).toMatchObject([{ detail: { version, until } }]);
});

test('an agent that cannot reach the service resumes at the time all the same, also after a restart', async () => {
  await pause();
  await reported('paused');
  await cloud.stop();
  await one.agent.stop();
  one.agent.start();
  const ofPause = (): readonly unknown[] =>
    one.agent.log.of('status.changed').filter(({ fields }) => fields.state === 'paused');
  await eventually(() => ofPause().length === 2);
  expect(one.agent.log.of('writeback.resumed')).toEqual([]);
  clock.skip(SHORT_S * 1000);
  await eventually(() => one.agent.log.of('writeback.resumed').length === 1);
  await cloud.start();
});

test('what is being written when the pause comes is finished, and nothing else is begun', async () => {
  const prepared = await prepareOperation(cloud);
  const waiting = await prepareOperation(cloud);
  let writing = false;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  one.directory.onApply = async (...args) => {
    writing = true;
    await held;
    return directory.apply(...args);
  };
  const running = submitOperation(cloud, prepared);
  await eventually(() => writing);
  await pause({ forSeconds: 3_600 });
  await reported('paused');
  await submitOperation(cloud, waiting, { waitS: 0 });
  release();
  expect((await running).body.status).toBe('applied');
  const { body } = await cloud.call('GET', `operations/${waiting.operation}`);
  expect(body).toMatchObject({ status: 'pending' });
  expect(directory.writes).toBe(1);
});

test('pausing again changes reason and end; resuming what runs says so', async () => {
  expect(await pause()).toMatchObject({ body: { wasEnabled: true } });
  const again = await put({ enabled: false, reason: 'it takes longer', forSeconds: 7_200 });
  expect(again).toMatchObject({ body: { wasEnabled: false, reason: 'it takes longer' } });
  clock.skip(SHORT_S * 1000);
  expect(await reported('paused')).toContain('it takes longer');
  expect(await put({ enabled: true })).toMatchObject({ body: { wasEnabled: false } });
  expect(await put({ enabled: true })).toMatchObject({ body: { wasEnabled: true, enabled: true } });
  await reported('running');
  const endless = await pause({});
  expect(endless.body).not.toHaveProperty('until');
});

test.each([
  ['is over', { until: '2020-01-01T00:00:00.000Z' }],
  ['is too far away', { forSeconds: 31 * 24 * 3600 }],
  ['is given twice', { until: '2099-01-01T00:00:00.000Z', forSeconds: 60 }],
  ['belongs to a resume', { enabled: true, forSeconds: 60 }],
])('an end that %s is refused', async (_, body) => {
  expect(await pause(body)).toMatchObject({ status: 400, body: { code: 'INVALID_PAUSE' } });
  expect((await status()).writeback.enabled).toBe(true);
});
