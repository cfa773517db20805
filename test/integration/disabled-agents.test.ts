import { once } from 'node:events';
import { get } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CONNECT_PATH, SUBPROTOCOL } from '../../src/protocol/messages.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type ApiAnswer, type TestCloud } from '../support/start-cloud.ts';

let cloud: TestCloud;
let agent: ScriptedAgent;

beforeEach(async () => {
  cloud = await startTestCloud();
  agent = await ScriptedAgent.create(cloud);
  await agent.join();
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

function disable(reason?: string): Promise<ApiAnswer> {
  const body = reason === undefined ? {} : { reason };
  return cloud.call('POST', `agents/${agent.id}/disable`, { body });
}

function enable(): Promise<ApiAnswer> {
  return cloud.call('POST', `agents/${agent.id}/enable`);
}

async function audited(): Promise<readonly string[]> {
  const { body } = await cloud.call('GET', 'audit');
  const { entries } = body as { readonly entries: readonly { readonly action: string }[] };
  return entries.map(({ action }) => action).filter((action) => action.endsWith('abled'));
}

test('a disabled agent loses its session with 4007 and is kept out, also after a restart', async () => {
  const { closed } = await agent.connect();
  const { status, body } = await disable('a move');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    ...{ state: 'approved', connected: false },
    disabled: { by: 'admin', reason: 'a move' },
  });
  expect(await closed).toBe(4007);
  await expect(agent.dial()).rejects.toThrow('HTTP 403');
  await cloud.restart();
  await expect(agent.dial()).rejects.toThrow('HTTP 403');
});

test('whoever is kept out is told by whom, what ends it and when it tries again, and not what the admin typed', async () => {
  await disable('a move');
  const headers = {
    ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
    ...{ 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-protocol': SUBPROTOCOL },
    authorization: `Bearer ${await agent.connectToken()}`,
  };
  const request = get(new URL(CONNECT_PATH, cloud.address), { ca: cloud.tls.ca, headers });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(403);
  const { code, detail } = JSON.parse(await text(response)) as Record<string, string>;
  expect(code).toBe('AGENT_DISABLED');
  expect(detail).toMatch(/an admin has disabled .*agent enable.*quarter of an hour/);
  expect(detail).not.toContain('a move');
});

test('an agent that is enabled works again with the identity that it had', async () => {
  await agent.connect();
  await disable();
  expect((await enable()).body).not.toHaveProperty('disabled');
  const { welcome } = await eventually(() => agent.connect());
  expect(welcome.approved).toBe(true);
  const done = await submitOperation(cloud, await prepareOperation(cloud));
  expect(done.body.status).toBe('applied');
});

test('no secret is sealed to a disabled agent, and the others do the work', async () => {
  await using other = await ScriptedAgent.create(cloud);
  await other.join();
  await other.connect();
  await agent.connect();
  await disable();
  const prepared = await prepareOperation(cloud);
  expect(prepared.recipients.map((recipient) => recipient.agent)).toEqual([other.id]);
  expect((await submitOperation(cloud, prepared)).body.agent).toBe(other.id);
  expect((await cloud.call('GET', 'status')).body).toMatchObject({
    ...{ connectivity: 'up', summary: 'up and running' },
  });
});

test('what a disabled agent had under way goes on as after a lost session', async () => {
  await agent.connect();
  let answer: () => void = () => undefined;
  agent.onCommand = () =>
    new Promise((resolve) => {
      answer = () => {
        resolve('APPLIED');
      };
    });
  const prepared = await prepareOperation(cloud);
  await submitOperation(cloud, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1);
  await disable();
  await enable();
  agent.onCommand = () => 'APPLIED';
  answer();
  await eventually(() => agent.connect());
  await eventually(async () => {
    const { body } = await cloud.call('GET', `operations/${prepared.operation}`);
    expect(body).toMatchObject({ status: 'applied', final: true });
  });
});

test('where every agent is disabled, status and refusals say so and what to do', async () => {
  await disable('a move');
  expect((await cloud.call('GET', 'status')).body).toMatchObject({
    connectivity: 'cannot-connect',
    summary: expect.stringContaining('an admin has disabled every agent') as unknown,
    action: expect.stringContaining('agent enable') as unknown,
  });
  const body = { account: { name: 'ada' }, op: 'reset' };
  expect((await cloud.call('POST', 'prepare', { body })).body).toMatchObject({
    ...{ code: 'NO_AGENT', detail: expect.stringContaining('1 disabled') as unknown },
  });
});

test('to disable or enable twice changes nothing; another reason replaces the first', async () => {
  await disable('a move');
  const first = (await disable('a move')).body;
  expect((await disable()).body).toEqual(first);
  expect(await audited()).toEqual(['agent.disabled']);
  expect((await disable('a theft')).body).toMatchObject({ disabled: { reason: 'a theft' } });
  await enable();
  expect((await enable()).status).toBe(200);
  expect(await audited()).toEqual(['agent.enabled', 'agent.disabled', 'agent.disabled']);
});

test('a disabled agent is not approved, but can be revoked, after which it is neither', async () => {
  const approve = (): Promise<ApiAnswer> =>
    cloud.call('POST', `agents/${agent.id}/approve`, { body: { fingerprint: agent.device.kid } });
  await disable();
  expect(await approve()).toMatchObject({ status: 409, body: { code: 'AGENT_DISABLED' } });
  const revoked = (await cloud.call('DELETE', `agents/${agent.id}`)).body;
  expect(revoked).toMatchObject({ state: 'revoked' });
  expect(revoked).not.toHaveProperty('disabled');
  for (const answer of [await disable(), await enable()]) {
    expect(answer).toMatchObject({ status: 409, body: { code: 'AGENT_REVOKED' } });
  }
});

test('only an admin of its directory disables an agent', async () => {
  const key = cloud.keys.reset;
  for (const verb of ['disable', 'enable']) {
    const path = `agents/${agent.id}/${verb}`;
    expect(await cloud.call('POST', path, { key, body: {} })).toMatchObject({ status: 403 });
  }
});
