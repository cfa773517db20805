import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { SkippingClock } from '../support/skipping-clock.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

const YEAR_MS = 366 * 24 * 3600_000;

let clock: SkippingClock;
let cloud: TestCloud;
let agent: ScriptedAgent;

beforeEach(async () => {
  clock = new SkippingClock();
  cloud = await startTestCloud({ clock });
  agent = await ScriptedAgent.create(cloud);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

async function metrics(): Promise<string> {
  const { status, text } = await cloud.health('/metrics');
  expect(status).toBe(200);
  return text;
}

test('it lives and is ready on a listener of its own, and the public one tells no metrics', async () => {
  expect(await cloud.health('/livez')).toEqual({ status: 200, text: 'ok\n' });
  expect(await cloud.health('/readyz')).toEqual({ status: 200, text: 'ok\n' });
  expect((await cloud.health('/anything')).status).toBe(404);
  expect((await cloud.call('GET', '/metrics')).status).toBe(404);
  expect(await cloud.call('GET', '/readyz')).toMatchObject({ status: 200, body: 'ok\n' });
});

test('an ended key set makes it not ready, in words, and the status says whose fault it is', async () => {
  await agent.join();
  clock.skip(2 * YEAR_MS);
  const { status, text } = await cloud.health('/readyz');
  expect([status, text]).toEqual([503, expect.stringMatching(/key set ended .*keys rotate/)]);
  expect(await cloud.call('GET', '/readyz')).toMatchObject({ status: 503, body: 'not ready\n' });
  expect((await cloud.call('GET', 'status')).body).toMatchObject({
    connectivity: 'service-at-fault',
    summary: expect.stringMatching(/this service itself is not ready: its key set ended/) as string,
  });
  expect(await metrics()).toMatch(/^passback_cloud_ready 0$/m);
});

test('metrics count sessions, operations, refusals and requests, and hold nothing personal', async () => {
  await expect(agent.dial('a.b.c')).rejects.toThrow('HTTP 401');
  await agent.join();
  await agent.connect();
  const person = await prepareOperation(cloud);
  expect((await submitOperation(cloud, person)).body.status).toBe('applied');
  await eventually(async () => {
    expect(await metrics()).toMatch(
      /^passback_cloud_operations_total\{op="reset",code="APPLIED"\} 1$/m,
    );
  });
  const text = await metrics();
  for (const line of [
    'passback_cloud_sessions{directory="corp",state="working"} 1',
    'passback_cloud_operations_pending{directory="corp"} 0',
    'passback_cloud_dispatch_seconds_count{answered="true"} 1',
    'passback_cloud_prepare_seconds_count{allowed="true"} 1',
    'passback_cloud_upgrades_refused_total{code="AGENT_UNKNOWN"} 1',
    'passback_cloud_ready 1',
    'passback_cloud_build_info{version="0.1.0"} 1',
    'passback_cloud_http_request_seconds_count{method="POST",route="/v1/directories/:directory/prepare",status="200"} 1',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  expect(text).toMatch(/^passback_cloud_key_set_expires_timestamp_seconds \d+$/m);
  expect(text).toMatch(/^passback_cloud_database_ping_seconds [\d.e-]+$/m);
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
  expect(text).not.toContain(person.objectGuid);
  expect(text).not.toContain('admin');
});

test('an agent that was turned away as too old is shown as that, until it comes back newer', async () => {
  await agent.join();
  await expect(agent.connect({ version: '0.0.9' })).rejects.toThrow();
  expect((await cloud.call('GET', 'status')).body).toMatchObject({
    connectivity: 'too-old',
    summary: expect.stringContaining('has version 0.0.9') as string,
    agents: [{ connected: false, turnedAway: { version: '0.0.9' } }],
  });
  const { body } = await eventually(async () => {
    await agent.connect();
    return cloud.call('GET', 'status');
  });
  expect(body).toMatchObject({ connectivity: 'up' });
  expect(JSON.stringify(body)).not.toContain('turnedAway');
});

test('an agent that says goodbye is asked nothing more, and another one is at once', async () => {
  await using other = await ScriptedAgent.create(cloud);
  for (const each of [agent, other]) {
    await each.join();
    await each.connect();
  }
  const first = (await submitOperation(cloud, await prepareOperation(cloud))).body.agent;
  const [leaving, staying] = first === agent.id ? [agent, other] : [other, agent];
  const prepared = await prepareOperation(cloud);
  const asked = leaving.inspections.length;
  leaving.connection?.peer.notify('session.goodbye', { reason: 'the agent is stopping' });
  await eventually(() => leaving.goodbyes === 1);
  expect((await submitOperation(cloud, prepared)).body.agent).toBe(staying.id);
  await prepareOperation(cloud);
  expect(leaving.commands).toHaveLength(1);
  expect(leaving.inspections).toHaveLength(asked);
});
