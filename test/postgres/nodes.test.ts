import { afterEach, expect, test } from 'vitest';
import { usePostgres } from '../lab/use-postgres.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type TestCloud, type TestCloudOptions } from '../support/start-cloud.ts';

const server = usePostgres();
const started: AsyncDisposable[] = [];

afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

async function startNodes(count: number, options: TestCloudOptions = {}): Promise<TestCloud[]> {
  const first = await startTestCloud({ database: await server.createDatabase(), ...options });
  started.push(first);
  const nodes = [first];
  while (nodes.length < count) {
    const next = await startTestCloud({ ...options, nodeOf: first });
    started.push(next);
    nodes.push(next);
  }
  return nodes;
}

async function joinAgent(cloud: TestCloud): Promise<ScriptedAgent> {
  const agent = await ScriptedAgent.create(cloud);
  started.push(agent);
  await agent.join();
  await agent.connect();
  return agent;
}

test('an operation that one node takes is carried out by an agent that another one holds', async () => {
  const [a, b] = (await startNodes(2)) as [TestCloud, TestCloud];
  const agent = await joinAgent(b);
  const prepared = await eventually(() => prepareOperation(a));
  const { status, body } = await submitOperation(a, prepared);
  expect(status).toBe(200);
  expect(body).toMatchObject({ status: 'applied', final: true, agent: agent.id });
  expect(agent.commands).toHaveLength(1);
});
