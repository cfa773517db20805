import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  prepareOperation,
  sealFor,
  submitOperation,
  type OperationAnswer,
  type Prepared,
} from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { accountState, ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

const AT_ONCE = 4;

let cloud: TestCloud;
let agent: ScriptedAgent;
/** How often the write of each operation was made. */
let writes: Map<string, number>;
/** Writes by operation: asked again in the middle of one, an agent waits for that one. */
let written: Map<string, Promise<void>>;
/** Hears of each first write, while it is under way. */
let onWrite: (count: number) => Promise<void>;

beforeEach(async () => {
  cloud = await startTestCloud({ process: true });
  agent = await ScriptedAgent.create(cloud);
  await agent.join();
  await agent.connect();
  writes = new Map();
  written = new Map();
  onWrite = () => Promise.resolve();
  let accounts = 0;
  // Every question is about somebody else, so that operations run side by side.
  agent.onInspect = () => {
    accounts += 1;
    const guid = `00000000-0000-4000-8000-${String(accounts).padStart(12, '0')}`;
    agent.account = accountState(guid);
    return undefined;
  };
  agent.onCommand = async ({ claims: { cmd } }) => {
    const write = written.get(cmd) ?? writeFor(cmd);
    written.set(cmd, write);
    await write;
    return 'APPLIED' as const;
  };
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

async function writeFor(cmd: string): Promise<void> {
  writes.set(cmd, (writes.get(cmd) ?? 0) + 1);
  await onWrite(writes.size);
}

async function killAndStart(): Promise<void> {
  await cloud.stop(); // with -9
  await agent.connection?.closed;
  await cloud.start();
  await eventually(() => agent.connect());
}

/** As a caller does who gets no answer: hands the same bytes in again until there is an outcome. */
async function submitUntilHeard(prepared: Prepared): Promise<OperationAnswer> {
  const secret = await sealFor(prepared);
  return eventually(async () => {
    const { status, body } = await submitOperation(cloud, prepared, { secret });
    expect([status, body.final]).toEqual([200, true]);
    return body;
  }, 25_000);
}

async function prepareSome(): Promise<readonly Prepared[]> {
  const prepared: Prepared[] = [];
  for (let i = 0; i < AT_ONCE; i += 1) prepared.push(await prepareOperation(cloud));
  return prepared;
}

/** Every operation was applied by exactly one write, under an outcome of the agent's own trail. */
async function expectNothingLostOrTwice(answers: readonly OperationAnswer[]): Promise<void> {
  expect([...writes.values()]).toEqual(answers.map(() => 1));
  for (const { operation, status, signedOutcome = '' } of answers) {
    expect(status).toBe('applied');
    expect(signedOutcome).toBe(agent.journal.get(operation));
    const again = await cloud.call('GET', `operations/${operation}`);
    expect(again).toMatchObject({ status: 200, body: { status: 'applied', signedOutcome } });
  }
  const { body } = await cloud.call('GET', 'audit?limit=200');
  const { entries } = body as { entries: { action: string; detail?: { cmd?: string } }[] };
  const applied = entries.filter(({ action }) => action === 'operation.applied');
  expect(applied.map(({ detail }) => detail?.cmd).sort()).toEqual(
    answers.map(({ operation }) => operation).sort(),
  );
  expect(entries.filter(({ action }) => action === 'agent.alarm')).toEqual([]);
  const trail = await cloud.inspect((store) => store.agents.trail(agent.id));
  expect(trail).toMatchObject({ seq: agent.seq, head: agent.head });
}

test.each([1, AT_ONCE])(
  'killed while write %i of four is under way, it loses nothing and does nothing twice',
  async (nth) => {
    const prepared = await prepareSome();
    let killed: Promise<void> | undefined;
    onWrite = async (count) => {
      // The outcome of this one is ready only when nobody is there to hear it.
      if (count === nth && killed === undefined) await (killed = killAndStart());
    };
    const answers = await Promise.all(prepared.map(submitUntilHeard));
    expect(killed).toBeDefined();
    await expectNothingLostOrTwice(answers);
  },
);

test.each([1, AT_ONCE])(
  'killed as answer %i of four is sent, it loses nothing and does nothing twice',
  async (nth) => {
    const prepared = await prepareSome();
    let killed: Promise<void> | undefined;
    onWrite = (count) => {
      if (count === nth) {
        setImmediate(() => {
          killed ??= killAndStart();
        });
      }
      return Promise.resolve();
    };
    const answers = await Promise.all(prepared.map(submitUntilHeard));
    await killed;
    await expectNothingLostOrTwice(answers);
  },
);

test('killed as the secrets come in, it loses nothing and does nothing twice', async () => {
  const prepared = await prepareSome();
  const answering = prepared.map(submitUntilHeard);
  await killAndStart();
  await expectNothingLostOrTwice(await Promise.all(answering));
});

test('killed between prepare and the secret, it knows what was prepared', async () => {
  const prepared = await prepareSome();
  await killAndStart();
  await expectNothingLostOrTwice(await Promise.all(prepared.map(submitUntilHeard)));
});

test('outcomes that were heard are still there after it was killed', async () => {
  const prepared = await prepareSome();
  const answers = await Promise.all(prepared.map(submitUntilHeard));
  await killAndStart();
  await expectNothingLostOrTwice(answers);
});
