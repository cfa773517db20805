import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeviceKeys } from '../../src/cloud/keys/device-keys.ts';
import { KeyFolder } from '../../src/cloud/keys/key-folder.ts';
import { LiveKeys } from '../../src/cloud/keys/live-keys.ts';
import { acceptHello } from '../../src/cloud/link/hello.ts';
import type { LinkSession } from '../../src/cloud/link/link-session.ts';
import { LiveSessions } from '../../src/cloud/link/live-sessions.ts';
import { Spread } from '../../src/cloud/link/spread.ts';
import type { Work } from '../../src/cloud/store/group-commit.ts';
import type { AgentRecord } from '../../src/cloud/store/records.ts';
import { Together } from '../../src/cloud/store/together.ts';
import type { Core } from '../../src/cloud/writeback/core.ts';
import { newNonce } from '../../src/cloud/link/nonce.ts';
import { CLOSE_CODES, type Welcome } from '../../src/protocol/messages.ts';
import { systemClock } from '../../src/support/clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, TEST_ISSUER, type TestCloud } from '../support/start-cloud.ts';

let cloud: TestCloud;
let agent: ScriptedAgent;
let closes: number[];

beforeEach(async () => {
  cloud = await startTestCloud();
  agent = await ScriptedAgent.create(cloud);
  await agent.join();
  await cloud.stop();
  closes = [];
});

afterEach(() => cloud[Symbol.asyncDispose]());

/** What its hello comes to when a person decides otherwise between its reading and its commit. */
type Decided = Pick<AgentRecord, 'state' | 'disabled'>;

function helloOf(before: Decided, meanwhile: Decided): Promise<Welcome> {
  return cloud.inspect(async (store) => {
    await store.agents.update(agent.id, before);
    const keys = await LiveKeys.load(new KeyFolder(cloud.folder.keys), TEST_ISSUER, Date.now());
    const core = {
      ...{ issuer: TEST_ISSUER, store, keys: keys.current, deviceKeys: new DeviceKeys() },
      ...{ clock: systemClock, log: new MemoryLog() },
      groupCommit: new Together<Work, undefined>(async (works) => {
        await store.agents.update(agent.id, meanwhile);
        await store.atomically(async (inside) => {
          for (const work of works) await work(inside);
        });
        return works.map(() => undefined);
      }),
    } as Partial<Core> as Core;
    const session = {
      ...{ id: randomUUID(), agentId: agent.id, directory: 'corp', approved: false },
      closed: new AbortController().signal,
      reckon: () => undefined,
      close: (code: number) => closes.push(code),
    } as unknown as LinkSession;
    const nonce = newNonce();
    const hello = await agent.hello({ sid: session.id, nonce });
    const deps = { core, sessions: new LiveSessions(), spread: new Spread(core) };
    return await acceptHello(session, { hello, nonce }, deps).finally(
      () => new Promise(setImmediate), // in which what follows an answer is done
    );
  });
}

const APPROVED = { state: 'approved' } as const;

test('an agent that was disabled while its hello was taken is not welcomed', async () => {
  const disabled = { at: Date.now(), by: 'anna', reason: 'a move' };
  await expect(helloOf(APPROVED, { ...APPROVED, disabled })).rejects.toMatchObject({
    code: 'AGENT_DISABLED',
  });
  expect(closes).toEqual([CLOSE_CODES.disabled]);
});

test('an agent that was revoked while its hello was taken is not welcomed', async () => {
  await expect(helloOf(APPROVED, { state: 'revoked' })).rejects.toMatchObject({
    code: 'AGENT_REVOKED',
  });
  expect(closes).toEqual([CLOSE_CODES.revoked]);
});

test('an agent that was approved while its hello was taken is welcomed as approved', async () => {
  await expect(helloOf({ state: 'pending' }, APPROVED)).resolves.toMatchObject({ approved: true });
  expect(closes).toEqual([]);
});

test('an agent that nobody has approved is welcomed as pending', async () => {
  await expect(helloOf({ state: 'pending' }, { state: 'pending' })).resolves.toMatchObject({
    approved: false,
  });
});
