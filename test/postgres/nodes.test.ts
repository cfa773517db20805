import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import { BEAT_MS } from '../../src/cloud/cluster/lease.ts';
import { HINTS } from '../../src/cloud/cluster/hint-line.ts';
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

type Nodes = readonly [TestCloud, TestCloud, TestCloud];

async function startNodes(options: TestCloudOptions = {}): Promise<Nodes> {
  const a = await startTestCloud({ database: await server.createDatabase(), ...options });
  started.push(a);
  const another = async (): Promise<TestCloud> => {
    const node = await startTestCloud({ nodeOf: a, ...options });
    started.push(node);
    return node;
  };
  return [a, await another(), await another()];
}

async function joinAgent(cloud: TestCloud): Promise<ScriptedAgent> {
  const agent = await ScriptedAgent.create(cloud);
  started.push(agent);
  await agent.join();
  await agent.connect();
  return agent;
}

/** Nothing that comes round every two seconds does: no sign of life, no sweep. */
const WITHOUT_SWEEPS: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms === BEAT_MS ? 2 ** 30 : ms, signal),
};

test('an operation that one node takes is carried out by an agent of another one, by hints alone', async () => {
  const [a, b] = await startNodes({ clock: WITHOUT_SWEEPS });
  const agent = await joinAgent(b);
  const prepared = await prepareSoon(a);
  const { status, body } = await submitOperation(a, prepared);
  expect(status).toBe(200);
  expect(body).toMatchObject({ status: 'applied', final: true, agent: agent.id });
  expect(agent.commands).toHaveLength(1);
  const dispatches = await a.inspect((store) => store.operations.dispatches(prepared.operation));
  expect(dispatches).toMatchObject([{ code: 'APPLIED' }]);
});

test('whoever waits on another node than the one that runs it hears of the outcome, by hints alone', async () => {
  const [a, b, c] = await startNodes({ clock: WITHOUT_SWEEPS });
  const agent = await joinAgent(b);
  let answer: (code: 'APPLIED') => void = () => undefined;
  agent.onCommand = () => new Promise((resolve) => (answer = resolve));
  const prepared = await prepareSoon(a);
  await submitOperation(a, prepared, { waitS: 0 });
  const headers = { prefer: 'wait=20' };
  const waiting = c.call('GET', `operations/${prepared.operation}`, { headers });
  await eventually(() => agent.commands.length === 1);
  answer('APPLIED');
  expect((await waiting).body).toMatchObject({ status: 'applied' });
});

test('status, pause, approval and revocation are the same on every node, at once', async () => {
  const [a, b] = await startNodes();
  const agent = await ScriptedAgent.create(a);
  started.push(agent);
  await agent.enroll();
  agent.cloud = b;
  const { closed } = await agent.connect();
  await eventually(async () => {
    const { body } = await a.call('GET', 'agents');
    expect(body).toMatchObject({ agents: [{ state: 'pending', connected: true }] });
  });
  agent.cloud = a;
  await agent.approve();
  await eventually(() => agent.renewals.some(({ approved }) => approved));
  expect((await a.call('GET', 'status')).body).toMatchObject({ connectivity: 'up' });
  expect((await b.call('GET', 'status')).body).toMatchObject({ connectivity: 'up' });
  await a.call('PUT', 'writeback', { body: { enabled: false, reason: 'upgrade' } });
  expect(agent.toggles.at(-1)).toMatchObject({ enabled: false, reason: 'upgrade' });
  expect(
    (await b.call('POST', 'prepare', { body: { account: { name: 'ada' }, op: 'reset' } })).body,
  ).toMatchObject({ code: 'PAUSED' });
  await a.call('DELETE', `agents/${agent.id}`);
  expect(await closed).toBe(4001);
});

test('an agent that is disabled on one node loses its session on another, and is let in by none', async () => {
  const [a, b, c] = await startNodes();
  const agent = await joinAgent(b);
  await prepareSoon(a);
  await a.call('POST', `agents/${agent.id}/disable`, { body: { reason: 'a move' } });
  await eventually(() => agent.closeCodes.includes(4007));
  for (const node of [a, b, c]) {
    agent.cloud = node;
    await expect(agent.dial()).rejects.toThrow('HTTP 403');
    expect((await node.call('GET', 'status')).body).toMatchObject({
      ...{ connectivity: 'cannot-connect', agents: [{ connected: false }] },
    });
  }
  await c.call('POST', `agents/${agent.id}/enable`);
  agent.cloud = a;
  await agent.connect();
  const done = await submitOperation(b, await prepareSoon(b));
  expect(done.body).toMatchObject({ status: 'applied', agent: agent.id });
});

test('a node that was not told that an agent is disabled finds out by itself', async () => {
  const [a, b] = await startNodes();
  const agent = await joinAgent(b);
  const disabled = { at: Date.now(), by: 'anna', reason: '' };
  await a.inspect((store) => store.agents.update(agent.id, { disabled }));
  await eventually(() => agent.closeCodes.includes(4007));
});

test('an agent has one session on all nodes: a second one is refused while the first is alive', async () => {
  const [a, b] = await startNodes();
  const agent = await joinAgent(b);
  agent.cloud = a;
  await expect(agent.dial()).rejects.toThrow('HTTP 409');
  expect(agent.connection?.socket.readyState).toBe(1);
  const { body } = await a.call('GET', 'audit');
  expect(JSON.stringify(body)).toContain('SECOND_SESSION');
});

test('a socket that is dead is given up for a new session on another node', async () => {
  const [a, b] = await startNodes();
  const agent = await joinAgent(b);
  const dead = agent.connection;
  dead?.socket.pause(); // no pong any more
  agent.cloud = a;
  await agent.connect();
  await eventually(async () => {
    const prepared = await prepareOperation(b);
    expect((await submitOperation(b, prepared)).body).toMatchObject({ status: 'applied' });
  });
  dead?.socket.resume();
  expect(await dead?.closed).toBe(4002);
});

test('operations of one account come one after the other, whichever node takes them', async () => {
  const [a, b] = await startNodes();
  const agent = await joinAgent(b);
  let underWay = 0;
  let most = 0;
  const slowly = async (): Promise<'APPLIED'> => {
    underWay += 1;
    most = Math.max(most, underWay);
    await delay(20);
    underWay -= 1;
    return 'APPLIED';
  };
  agent.onCommand = slowly;
  const nodes = [a, b, a, b, b, a];
  const prepared = await Promise.all(
    nodes.map(async (node) => ({ node, operation: await prepareSoon(node) })),
  );
  const answers = await Promise.all(
    prepared.map(({ node, operation }) => submitOperation(node, operation)),
  );
  for (const { body } of answers) expect(body).toMatchObject({ status: 'applied' });
  expect(agent.commands).toHaveLength(6);
  expect(most).toBe(1);
});

test('without hints the sweep delivers', async () => {
  const [a, b] = await startNodes();
  const agent = await joinAgent(b);
  const prepared = await prepareSoon(a);
  const isCut = ({ log }: TestCloud): boolean =>
    log.lines.some(({ event }) => event === 'cloud.hints_down');
  const stop = new AbortController();
  const cutting = cutHints(a.database?.database ?? '', stop.signal);
  try {
    await eventually(() => isCut(a) && isCut(b));
    expect((await submitOperation(a, prepared)).body).toMatchObject({ status: 'applied' });
    expect(agent.commands).toHaveLength(1);
  } finally {
    stop.abort();
    await cutting;
  }
});

/** Ends whatever listens, over and over. */
async function cutHints(database: string, signal: AbortSignal): Promise<void> {
  const client = new Client(server.adminOf(database));
  await client.connect();
  while (!signal.aborted) {
    await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = $2',
      [database, HINTS],
    );
    await delay(5);
  }
  await client.end();
}

test('a node that is stopped leaves what it has to the others, and no operation is lost', async () => {
  const [a, b] = await startNodes();
  const agent = await joinAgent(b);
  const prepared = await prepareSoon(b);
  agent.onCommand = () => undefined; // silent
  await submitOperation(b, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1);
  await b.stop();
  agent.onCommand = () => 'APPLIED';
  agent.cloud = a;
  await agent.connect();
  const { body } = await a.call('GET', `operations/${prepared.operation}`, {
    headers: { prefer: 'wait=30' },
  });
  expect(body).toMatchObject({ status: 'applied' });
  expect(agent.commands).toHaveLength(2);
});

/** The other node has to have heard of the agent first. */
function prepareSoon(cloud: TestCloud): ReturnType<typeof prepareOperation> {
  return eventually(() => prepareOperation(cloud));
}

test('nodes that are stopped together leave each other without a word of trouble', async () => {
  const nodes = await startNodes();
  for (let round = 0; round < 6; round++) {
    await Promise.all(nodes.map((node) => node.stop()));
    for (const { log } of nodes) expect(log.of('cloud.node_trouble')).toEqual([]);
    await Promise.all(nodes.map((node) => node.start()));
  }
});
