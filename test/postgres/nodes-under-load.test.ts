import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { usePostgres } from '../lab/use-postgres.ts';
import {
  prepareOperation,
  sealFor,
  submitOperation,
  type Prepared,
} from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { accountState, ScriptedAgent, type ReceivedCommand } from '../support/scripted-agent.ts';
import { startTestCloud, type ApiAnswer, type TestCloud } from '../support/start-cloud.ts';

const server = usePostgres();

const TIMES = 4;
const CALLERS = 6;
const AGENTS = 3;
const ACCOUNTS = 12;

test('nodes that are killed with -9 under load lose no operation and double none', async () => {
  await underLoad((node) => node.stop());
}, 300_000);

test('nodes that are stopped and started again under load lose none, double none, and refuse nobody', async () => {
  const refusals = await underLoad((node) => node.drain());
  expect(refusals).toEqual([]);
}, 300_000);

/** Ends one node after the other and starts it again. Resolves with what callers were refused. */
async function underLoad(end: (node: TestCloud) => Promise<void>): Promise<readonly unknown[]> {
  await using a = await startTestCloud({ database: await server.createDatabase(), process: true });
  await using b = await startTestCloud({ nodeOf: a, process: true });
  const nodes = [a, b];
  const over = new AbortController();
  const writes = new Map<string, number>();
  const agents = await Promise.all(
    Array.from({ length: AGENTS }, () => connectedAgent(nodes, writes, over.signal)),
  );
  await eventually(() => prepareOperation(a), 20_000);
  await eventually(() => prepareOperation(b), 20_000);

  const taken: Prepared[] = [];
  const refusals: unknown[] = [];
  const callers = Array.from({ length: CALLERS }, (_, at) =>
    callForEver(nodes, { at, taken, refusals, over: over.signal }),
  );
  for (let time = 0; time < TIMES; time += 1) {
    const enough = taken.length + 10;
    await eventually(() => taken.length >= enough, 60_000);
    const node = time % 2 === 0 ? a : b;
    await end(node);
    await delay(500);
    await node.start();
  }
  const enough = taken.length + 10;
  await eventually(() => taken.length >= enough, 60_000);
  over.abort();
  await Promise.all(callers);

  let applied = 0;
  for (const { operation } of taken) {
    const outcome = await eventually(async () => {
      const { body } = await a.call('GET', `operations/${operation}`, {
        headers: { prefer: 'wait=20' },
      });
      expect(body).toMatchObject({ final: true });
      return body as { status: string };
    }, 90_000);
    expect(outcome.status).toBe('applied');
    applied += 1;
    expect(writes.get(operation)).toBe(1);
  }
  // What was written is what was reported, one by one and in all.
  expect([...writes.values()].reduce((sum, count) => sum + count, 0)).toBe(applied);
  expect(agents.every(({ commands }) => commands.length > 0)).toBe(true);
  return refusals;
}

/** Dials whichever node is there, whenever it has lost the one before. */
async function connectedAgent(
  nodes: readonly TestCloud[],
  writes: Map<string, number>,
  over: AbortSignal,
): Promise<ScriptedAgent> {
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  const agent = await ScriptedAgent.create(first);
  await agent.join();
  agent.onInspect = ({ account }) => {
    if ('objectGuid' in account) agent.account = accountState(account.objectGuid);
    return undefined;
  };
  const write = async (command: ReceivedCommand): Promise<'APPLIED'> => {
    agent.began(command);
    await delay(5);
    const { cmd } = command.claims;
    writes.set(cmd, (writes.get(cmd) ?? 0) + 1);
    return 'APPLIED';
  };
  agent.onCommand = write;
  void keepConnected(agent, nodes, over);
  return agent;
}

async function keepConnected(
  agent: ScriptedAgent,
  nodes: readonly TestCloud[],
  over: AbortSignal,
): Promise<void> {
  for (let at = 0; !over.aborted; at += 1) {
    const node = nodes[at % nodes.length];
    if (node !== undefined) agent.cloud = node;
    try {
      const { closed } = await agent.connect();
      await closed;
    } catch {
      await delay(100);
    }
  }
  await agent.cut();
}

interface Calling {
  readonly at: number;
  readonly taken: Prepared[];
  /** Answers that a caller has to live with: handed to another node, the same would come of it. */
  readonly refusals: unknown[];
  readonly over: AbortSignal;
}

/** What a node does not answer, or is not there for (5xx), goes to the next one: the same bytes. */
async function callForEver(
  nodes: readonly TestCloud[],
  { at, taken, refusals, over }: Calling,
): Promise<void> {
  for (let turn = at; !over.aborted; turn += 1) {
    const objectGuid = `00000000-0000-4000-8000-0000000000${String(10 + (turn % ACCOUNTS))}`;
    const body = { account: { objectGuid }, op: 'reset' };
    const asked = await askOneOf(nodes, turn, (node) => node.call('POST', 'prepare', { body }));
    if (asked.status !== 200) {
      refusals.push(asked.body);
      continue;
    }
    const prepared = asked.body as Prepared;
    const secret = await sealFor(prepared);
    const answer = await askOneOf(nodes, turn, (node) =>
      submitOperation(node, prepared, { secret, waitS: 5 }),
    );
    if (answer.status < 300) taken.push(prepared);
    else refusals.push(answer.body);
  }
}

/** As a load balancer does: the first answer of a node that is there. */
async function askOneOf(
  nodes: readonly TestCloud[],
  first: number,
  ask: (node: TestCloud) => Promise<ApiAnswer>,
): Promise<ApiAnswer> {
  for (let at = first; ; at += 1) {
    const node = nodes[at % nodes.length];
    const answer = node && (await ask(node).catch(() => undefined));
    if (answer !== undefined && answer.status < 500) return answer;
    await delay(100);
  }
}
