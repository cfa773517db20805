import { copyFile, cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareOperation, sealFor, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { createToken } from '../support/scripted-agent.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

let cloud: TestCloud;
let directory: FakeDirectory;
let agent: StartedAgent;
let agentId: string;
let ups: number;

beforeEach(async () => {
  cloud = await startTestCloud();
  directory = new FakeDirectory();
  directory[Symbol.asyncDispose] = () => Promise.resolve(); // it outlives the agent
  directory.add({ sam: 'ann', password: 'Old-Password-1' });
  const { address: url, tls } = cloud;
  const token = await createToken(cloud);
  const service = { url, ca: tls.ca, enrollmentToken: () => token, sessions: [] };
  agent = await StartedAgent.enroll(service, { directory, url });
  const { body } = await cloud.call('GET', 'agents');
  const [listed] = (body as { agents: { id: string; fingerprint: string }[] }).agents;
  if (listed === undefined) throw new Error('the agent has not enrolled');
  agentId = listed.id;
  const { fingerprint } = listed;
  await cloud.call('POST', `agents/${agentId}/approve`, { body: { fingerprint } });
  ups = 0;
  await start();
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

/** Starts the agent and waits until the service has taken it. */
async function start(): Promise<void> {
  agent.start();
  ups += 1;
  await eventually(() => agent.log.of('link.up').length >= ups);
}

async function reset(): Promise<string | undefined> {
  const prepared = await eventually(() =>
    prepareOperation(cloud, { account: { name: 'ann@corp.test' } }),
  );
  return (await submitOperation(cloud, prepared)).body.status;
}

/** Waits until the agent was refused, and has said why and that it asks again rarely: nobody hears of it twice. */
async function refusedForGood(why: RegExp): Promise<void> {
  await eventually(() => agent.log.of('link.rejected').length > 0);
  const [rejected] = agent.log.of('link.rejected');
  expect(rejected?.fields).toMatchObject({ reason: expect.stringMatching(why) as string });
  expect(Number(rejected?.fields.nextTryMs)).toBeGreaterThan(9 * 60_000);
}

async function alarms(): Promise<readonly unknown[]> {
  const { body } = await cloud.call('GET', 'audit?limit=100');
  const { entries } = body as { entries: { action: string; target?: string; detail?: unknown }[] };
  return entries
    .filter(({ action, target }) => action === 'agent.alarm' && target === agentId)
    .map(({ detail }) => detail);
}

test('a state folder from a backup is refused with an alarm, and nothing is written by its agent', async () => {
  expect(await reset()).toBe('applied');
  await agent.stop();
  const backup = join(agent.stateFolder, '..', 'backup');
  await cp(agent.stateFolder, backup, { recursive: true });
  await start();
  const pending = await prepareOperation(cloud, { account: { name: 'ann@corp.test' } });
  const sealed = await sealFor(pending);
  expect((await submitOperation(cloud, pending, { secret: sealed })).body.status).toBe('applied');
  expect(directory.writes).toBe(2);
  await agent.stop();

  await rm(agent.stateFolder, { recursive: true });
  await cp(backup, agent.stateFolder, { recursive: true });
  agent.start();
  await refusedForGood(/JOURNAL_WENT_BACKWARDS.*enrol again|enrol again.*JOURNAL_WENT_BACKWARDS/);
  expect(await alarms()).toEqual([{ alarm: 'JOURNAL_WENT_BACKWARDS' }]);
  const { body } = await cloud.call('POST', 'prepare', {
    body: { account: { name: 'ann@corp.test' }, op: 'reset' },
  });
  expect(body).toMatchObject({ code: 'NO_AGENT' });
  expect(directory.writes).toBe(2);
});

test('the journal alone put back is refused the same', async () => {
  const journal = join(agent.stateFolder, 'journal.jsonl');
  const copy = join(agent.stateFolder, '..', 'journal.copy');
  await copyFile(journal, copy);
  expect(await reset()).toBe('applied');
  await agent.stop();
  await copyFile(copy, journal);
  agent.start();
  await refusedForGood(/JOURNAL_WENT_BACKWARDS/);
  expect(await alarms()).toEqual([{ alarm: 'JOURNAL_WENT_BACKWARDS' }]);
  expect(directory.writes).toBe(1);
});

test('without its journal an agent is refused: what it did is not known to it any more', async () => {
  expect(await reset()).toBe('applied');
  await agent.stop();
  await rm(join(agent.stateFolder, 'journal.jsonl'));
  agent.start();
  await refusedForGood(/JOURNAL_REPLACED/);
  expect(await alarms()).toEqual([{ alarm: 'JOURNAL_REPLACED' }]);
  expect(directory.writes).toBe(1);
});

test('an agent that was only stopped goes on, and its journal with it', async () => {
  expect(await reset()).toBe('applied');
  await agent.stop();
  await start();
  expect(await reset()).toBe('applied');
  expect(await alarms()).toEqual([]);
});
