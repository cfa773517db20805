import { afterEach, beforeEach, expect, test } from 'vitest';
import { seal } from '../../src/protocol/sealing.ts';
import type { PublicKey } from '../../src/protocol/keys.ts';
import type { Baseline } from '../../src/protocol/account.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, TEST_DIRECTORY, type TestCloud } from '../support/start-cloud.ts';

let cloud: TestCloud;
let agent: ScriptedAgent;

beforeEach(async () => {
  cloud = await startTestCloud();
  agent = await ScriptedAgent.create(cloud);
  await agent.join();
  await agent.connect();
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

interface Prepared {
  readonly operation: string;
  readonly objectGuid: string;
  readonly op: 'reset' | 'change' | 'unlock';
  readonly options: { unlock: boolean; mustChange: boolean };
  readonly baseline: Baseline;
  readonly notAfter: string;
  readonly recipients: { key: PublicKey }[];
  readonly aad: string;
}

test('a reset travels from the API to the agent and its outcome back', async () => {
  const prepared = await cloud.call('POST', 'prepare', {
    body: { account: { name: 'ada' }, op: 'reset' },
  });
  expect(prepared).toMatchObject({ status: 200 });
  const p = prepared.body as Prepared;
  const secret = await seal(
    { password: 'correct horse' },
    p.recipients.map(({ key }) => key),
    {
      directory: TEST_DIRECTORY,
      cmd: p.operation,
      op: p.op,
      account: { objectGuid: p.objectGuid },
      options: p.options,
      baseline: p.baseline,
      notAfter: p.notAfter,
    },
  );
  const done = await cloud.call('PUT', `operations/${p.operation}`, {
    body: { secret },
    headers: { prefer: 'wait=10' },
  });
  expect(done).toMatchObject({ status: 200, body: { status: 'applied', code: 'APPLIED' } });
  expect(agent.commands).toMatchObject([{ secret: { password: 'correct horse' } }]);
});
