import { ServiceStatus } from '../../src/cloud/health/service-status.ts';
import { afterEach, expect, test } from 'vitest';
import { usePostgres } from '../lab/use-postgres.ts';
import { prepareOperation, submitOperation, type Prepared } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent, type ReceivedCommand } from '../support/scripted-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

const server = usePostgres();
const started: AsyncDisposable[] = [];

afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

/** Two processes of their own, as they are installed: `stop` kills one with -9. */
async function twoProcesses(): Promise<readonly [TestCloud, TestCloud]> {
  const a = await startTestCloud({ database: await server.createDatabase(), process: true });
  started.push(a);
  const b = await startTestCloud({ nodeOf: a, process: true });
  started.push(b);
  return [a, b];
}

async function joinAgent(cloud: TestCloud): Promise<ScriptedAgent> {
  const agent = await ScriptedAgent.create(cloud);
  started.push(agent);
  await agent.join();
  await agent.connect();
  return agent;
}

function prepareSoon(cloud: TestCloud): Promise<Prepared> {
  return eventually(() => prepareOperation(cloud));
}

function outcomeOf(cloud: TestCloud, { operation }: Prepared): Promise<unknown> {
  const headers = { prefer: 'wait=30' };
  return cloud.call('GET', `operations/${operation}`, { headers }).then(({ body }) => body);
}

test('the node that holds the socket is killed in the middle: applied once when the agent is back on the other', async () => {
  const [a, b] = await twoProcesses();
  const agent = await joinAgent(b);
  const prepared = await prepareSoon(a);
  let applied = 0;
  // It writes, and nobody hears of it.
  const writeAndDie = async (command: ReceivedCommand): Promise<'APPLIED'> => {
    agent.began(command);
    await b.stop();
    applied += 1;
    return 'APPLIED';
  };
  agent.onCommand = writeAndDie;
  await submitOperation(a, prepared, { waitS: 0 });
  await eventually(() => applied === 1);
  await agent.connection?.closed;
  agent.cloud = a;
  await agent.connect();
  expect(await outcomeOf(a, prepared)).toMatchObject({ status: 'applied', final: true });
  expect(applied).toBe(1);
  expect(new Set(agent.commands.map(({ claims }) => claims.cmd)).size).toBe(1);
});

test('the node that runs the operation is killed in the middle: the other one ends it', async () => {
  const [a, b] = await twoProcesses();
  const agent = await joinAgent(b);
  const prepared = await prepareSoon(a);
  let answer: (code: 'APPLIED') => void = () => undefined;
  agent.onCommand = () => new Promise((resolve) => (answer = resolve));
  await submitOperation(a, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1);
  await a.stop();
  answer('APPLIED');
  expect(await outcomeOf(b, prepared)).toMatchObject({ status: 'applied', final: true });
  expect(agent.journal.size).toBe(1);
});

test('the node that runs an operation which nobody has answered is killed: the other one hands it over again', async () => {
  const [a, b] = await twoProcesses();
  const agent = await joinAgent(b);
  const prepared = await prepareSoon(a);
  agent.onCommand = async (command) => {
    if (agent.commands.length > 1) return 'APPLIED';
    agent.began(command);
    return undefined; // and never says what became of it
  };
  await submitOperation(a, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1);
  await a.stop();
  expect(await outcomeOf(b, prepared)).toMatchObject({ status: 'applied', final: true });
  expect(agent.commands).toHaveLength(2);
  const [first, second] = agent.commands;
  expect(second?.claims.jti).not.toBe(first?.claims.jti);
  expect(second?.claims.attempts).toMatchObject([{ agent: agent.id }]);
});

test('the database is killed and started again under load: nothing is lost, nothing is done twice', async () => {
  const [a, b] = await twoProcesses();
  const agents = [await joinAgent(a), await joinAgent(b)];
  const writes = new Map<string, number>();
  for (const agent of agents) {
    agent.onCommand = ({ claims }) => {
      writes.set(claims.cmd, (writes.get(claims.cmd) ?? 0) + 1);
      return 'APPLIED';
    };
  }
  await prepareSoon(a);
  await prepareSoon(b);
  const prepared: (readonly [TestCloud, Prepared])[] = [];
  let isOver = false;
  const caller = async (cloud: TestCloud): Promise<void> => {
    while (!isOver) {
      try {
        const next = await prepareOperation(cloud);
        const { status } = await submitOperation(cloud, next, { waitS: 0 });
        if (status < 300) prepared.push([cloud, next]);
      } catch {
        // The database is away: whoever was not told that it was taken tries again.
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const callers = [caller(a), caller(b), caller(a), caller(b)];
  await eventually(() => prepared.length > 20, 90_000);
  await server.kill();
  await eventually(async () => {
    const { text } = await a.health('/status.json');
    expect(ServiceStatus.strict().parse(JSON.parse(text))).toMatchObject({
      node: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      database: { kind: 'postgresql', reachable: false, problem: expect.any(String) as unknown },
      notReady: [expect.stringMatching(/^its database does not answer: ./)],
      stuck: [],
    });
  }, 20_000);
  await server.start();
  const before = prepared.length;
  await eventually(() => prepared.length > before + 20, 90_000);
  isOver = true;
  await Promise.all(callers);
  for (const [cloud, each] of prepared) {
    const outcome = await eventually(() => outcomeOf(cloud, each), 30_000);
    expect(outcome).toMatchObject({ status: 'applied', final: true });
    expect(writes.get(each.operation)).toBe(1);
  }
}, 300_000);
