import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { AgentConfig } from '../../src/agent/config/agent-config.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { createToken } from '../support/scripted-agent.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa, type TestCa } from '../support/test-ca.ts';
import {
  startInterceptingSquid,
  startSquid,
  startTinyproxy,
  type RunningProxy,
} from './start-proxy.ts';

const ACCOUNT = { user: 'passback', password: 'Proxy-Password-1' };

let cloud: TestCloud;
let companyCa: TestCa;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let login: string;
const running: Record<'tinyproxy' | 'squid' | 'intercepting', RunningProxy | undefined> = {
  tinyproxy: undefined,
  squid: undefined,
  intercepting: undefined,
};

beforeAll(async () => {
  companyCa = await createTestCa('Corp Web Gateway CA');
  const tls = await (await createTestCa()).issue(['127.0.0.1']);
  cloud = await startTestCloud({ tls });
  running.tinyproxy = await startTinyproxy(ACCOUNT);
  running.squid = await startSquid(ACCOUNT);
  running.intercepting = await startInterceptingSquid(companyCa, tls.ca);
});

afterAll(async () => {
  for (const proxy of Object.values(running)) await proxy?.[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

beforeEach(async () => {
  folder = await temporaryFolder();
  login = join(folder.path, 'proxy-login');
  await writeFile(login, `${ACCOUNT.user}:${ACCOUNT.password}\n`, { mode: 0o600 });
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

type ProxySettings = NonNullable<AgentConfig['service']['proxy']>;

function through(kind: keyof typeof running, changes: Partial<ProxySettings> = {}): ProxySettings {
  const url = running[kind]?.url ?? '';
  return { url, setting: 'service.proxy.url', credentialsFile: login, ...changes };
}

/** Enrols an agent at the real service, over this way only. */
async function enrolled(
  proxy: ProxySettings,
  ca: string,
): Promise<{ agent: StartedAgent; directory: FakeDirectory }> {
  const directory = new FakeDirectory();
  directory.add({ sam: 'ann', password: 'Old-Password-1' });
  const token = await createToken(cloud);
  const url = cloud.address;
  const enroller = { url, ca, enrollmentToken: () => token, sessions: [] };
  const agent = await StartedAgent.enroll(enroller, { directory, url, service: { proxy } });
  onTestFinished(() => agent[Symbol.asyncDispose]());
  return { agent, directory };
}

async function approveAll(): Promise<void> {
  const { body } = await cloud.call('GET', 'agents');
  const { agents } = body as { agents: { id: string; fingerprint: string }[] };
  for (const { id, fingerprint } of agents) {
    await cloud.call('POST', `agents/${id}/approve`, { body: { fingerprint } });
  }
}

/** Approves it, starts it, and has it reset a password. */
async function resetThrough(agent: StartedAgent, directory: FakeDirectory): Promise<void> {
  await approveAll();
  agent.start();
  await eventually(() => {
    expect(agent.log.of('link.up'), agent.log.text()).toHaveLength(1);
  }, 20_000);
  const prepared = await eventually(
    () => prepareOperation(cloud, { account: { name: 'ann@corp.test' } }),
    10_000,
  );
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
  expect(directory.writes).toBe(1);
  await agent.stop();
  const { body } = await cloud.call('GET', 'agents');
  const { agents } = body as { agents: { id: string }[] };
  for (const { id } of agents) await cloud.call('DELETE', `agents/${id}`);
}

test.each(['tinyproxy', 'squid'] as const)(
  'behind %s, which wants a login, an agent enrols, connects and resets a password',
  async (kind) => {
    const { agent, directory } = await enrolled(through(kind), cloud.tls.ca);
    await resetThrough(agent, directory);
    expect(agent.log.text()).not.toContain(ACCOUNT.password);
  },
);

test.each(['tinyproxy', 'squid'] as const)(
  'a wrong password for %s, and none, are told apart, and nothing is used up',
  async (kind) => {
    await writeFile(login, `${ACCOUNT.user}:Planted-and-wrong\n`);
    const wrong = enrolled(through(kind), cloud.tls.ca);
    await expect(wrong).rejects.toMatchObject({ code: 'PROXY_REFUSED' });
    await expect(wrong).rejects.toThrow(`does not take the user name and password in ${login}`);
    const { credentialsFile: _, ...without } = through(kind);
    const none = enrolled(without, cloud.tls.ca);
    await expect(none).rejects.toThrow('service.proxy.credentialsFile');
  },
);

test.each(['tinyproxy', 'squid'] as const)(
  'a link through %s that lost its login says so, and is up again once the file is right',
  async (kind) => {
    const { agent } = await enrolled(through(kind), cloud.tls.ca);
    await writeFile(login, `${ACCOUNT.user}:Planted-and-wrong\n`);
    agent.start();
    const [failed] = await eventually(() => {
      const found = agent.log.of('link.dial_failed');
      expect(found).not.toEqual([]);
      return found;
    });
    expect(failed?.fields.reason).toContain(login);
    await writeFile(login, `${ACCOUNT.user}:${ACCOUNT.password}\n`);
    await eventually(() => agent.log.of('link.up').length === 1, 20_000);
    expect(agent.log.text()).not.toContain('Planted');
    await agent.stop();
  },
);

test('behind a proxy that opens TLS the CA that is missing is named, and nothing is sent', async () => {
  const agent = enrolled(through('intercepting'), cloud.tls.ca);
  await expect(agent).rejects.toMatchObject({ code: 'TLS_UNTRUSTED' });
  await expect(agent).rejects.toThrow('Corp Web Gateway CA');
  await expect(agent).rejects.toThrow('Something on the way inspects TLS');
  await expect(agent).rejects.toThrow('service.caFile');
});

test('with that CA in service.caFile an agent enrols, connects and resets a password', async () => {
  const { agent, directory } = await enrolled(through('intercepting'), companyCa.ca);
  await resetThrough(agent, directory);
  const issuer = 'CN=Corp Web Gateway CA';
  expect(agent.log.of('link.tls_inspected')).toMatchObject([{ fields: { issuer } }]);
});
