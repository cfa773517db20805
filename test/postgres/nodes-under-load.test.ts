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
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

const server = usePostgres();

const KILLS = 4;
const CALLERS = 6;
const AGENTS = 3;
const ACCOUNTS = 12;

test('nodes that are killed with -9 under load lose no operation and double none', async () => {
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
  const callers = Array.from({ length: CALLERS }, (_, at) =>
    callForEver(nodes, { at, taken, over: over.signal }),
  );
  for (let kill = 0; kill < KILLS; kill += 1) {
    const enough = taken.length + 10;
    await eventually(() => taken.length >= enough, 60_000);
    const victim = kill % 2 === 0 ? a : b;
    await victim.stop();
    await delay(500);
    await victim.start();
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
}, 300_000);

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
  readonly over: AbortSignal;
}

/** What a node does not answer is handed in again, to whichever node is there: the same bytes. */
async function callForEver(
  nodes: readonly TestCloud[],
  { at, taken, over }: Calling,
): Promise<void> {
  for (let turn = at; !over.aborted; turn += 1) {
    const name = `00000000-0000-4000-8000-0000000000${String(10 + (turn % ACCOUNTS))}`;
    try {
      const node = nodes[turn % nodes.length];
      if (node === undefined) return;
      const prepared = await prepareOperation(node, { account: { objectGuid: name } });
      const secret = await sealFor(prepared);
      for (let next = turn; ; next += 1) {
        const to = nodes[next % nodes.length] ?? node;
        const answer = await submitOperation(to, prepared, { secret, waitS: 5 }).catch(
          () => undefined,
        );
        if (answer !== undefined && answer.status < 300) break;
        if (answer !== undefined && answer.status < 500) return;
        await delay(100);
      }
      taken.push(prepared);
    } catch {
      await delay(100); // a node that is away, or no agent there yet
    }
  }
}
