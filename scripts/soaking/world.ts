import type { ChildProcess } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '../../src/agent/config/agent-config.ts';
import type { Enrolled } from '../../src/agent/identity/enroll.ts';
import { dataFolder } from '../../src/cloud/data-folder.ts';
import { createKeys } from '../../src/cloud/keys/create-keys.ts';
import { addDirectory } from '../../src/cloud/setup/add-directory.ts';
import { createApiKey } from '../../src/cloud/setup/create-api-key.ts';
import { SCOPES } from '../../src/cloud/store/records.ts';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import type { Clock } from '../../src/support/clock.ts';
import { OPEN_GUARD } from '../../test/support/command-rig.ts';
import { FaultProxy } from '../../test/support/fault-proxy.ts';
import { startLdapServer, type LdapServer } from '../../test/support/ldap-server.ts';
import { ScriptedDomain, SERVICE_ACCOUNT } from '../../test/support/scripted-domain.ts';
import { createTestCa, type TestCa } from '../../test/support/test-ca.ts';
import { Api } from '../benchmark/api.ts';
import { message, startMeasured } from '../benchmark/child.ts';
import type { AgentInput } from './agent-child.ts';
import { LeapingClock } from './leaping-calendar.ts';
import type { Told } from './measured.ts';
import type { ServiceInput } from './service-child.ts';

const ISSUER = 'https://reset.example';
const DIRECTORY = 'corp';
const CONTROLLERS = ['dc1.corp.test', 'dc2.corp.test'];
const HOUR_MS = 3600_000;

/** What is soaked: both programs in processes of their own, everything between them can be broken. */
export interface World extends AsyncDisposable {
  readonly service: ChildProcess;
  readonly agent: ChildProcess;
  readonly api: Api;
  /** objectGUIDs. */
  readonly accounts: readonly string[];
  /** Between agent and service, and between agent and each domain controller. */
  readonly link: FaultProxy;
  readonly controllers: readonly FaultProxy[];
  /** Puts everybody's calendar ahead of this machine's by so much. */
  readonly leapTo: (aheadMs: number) => void;
  /** How many passwords were set in the directory. */
  readonly passwordsWritten: () => number;
}

export interface WorldOptions {
  readonly folder: string;
  /** How many times as fast the agent's duties come. */
  readonly speed: number;
  readonly accounts: number;
}

/**
 * Starts the service, a scripted domain of two controllers, and an agent that is enrolled and
 * approved: all on one calendar.
 */
export async function openWorld({ folder, speed, accounts }: WorldOptions): Promise<World> {
  const clock = new LeapingClock();
  const ca = await createTestCa();
  await writeFile(join(folder, 'ca.pem'), ca.ca);
  const domain = new ScriptedDomain({
    clock,
    accounts: Array.from({ length: accounts }, (_, i) => ({
      sam: `user${i}`,
      password: 'Old-Password-1',
    })),
  });
  const guids = Array.from({ length: accounts }, (_, i) => domain.account(`user${i}`).objectGuid);
  const servers = await startControllers(domain, ca);
  const controllers = await Promise.all(
    servers.map(({ port }) => FaultProxy.start({ host: '127.0.0.1', port })),
  );
  const { service, url, key } = await startService(folder, { clock, ca });
  const link = await FaultProxy.start({ host: '127.0.0.1', port: Number(new URL(url).port) });
  const api = new Api({ url, directory: DIRECTORY, key, ca: ca.ca });
  const { token } = (await api.order('POST', 'enrollment-tokens')) as { token: string };
  const config = agentConfig(folder, {
    url: `https://127.0.0.1:${link.port}`,
    ports: controllers.map(({ port }) => port),
  });
  await writeFile(config.directory.bind.passwordFile, SERVICE_ACCOUNT.password, { mode: 0o600 });
  const agent = await started('agent', folder, { config, speed, token });
  const { agentId, fingerprint } = await message<Enrolled>(agent);
  await api.order('POST', `agents/${agentId}/approve`, { fingerprint });
  return {
    ...{ service, agent, api, link, controllers },
    accounts: guids,
    leapTo: (aheadMs) => {
      clock.leapTo(aheadMs);
      for (const child of [service, agent]) child.send({ aheadMs } satisfies Told);
    },
    passwordsWritten: () =>
      guids.reduce((sum, _, i) => sum + domain.account(`user${i}`).passwordWrites, 0),
    [Symbol.asyncDispose]: async () => {
      agent.kill('SIGKILL');
      service.kill('SIGKILL');
      api.close();
      for (const each of [link, ...controllers]) await each[Symbol.asyncDispose]();
      for (const server of servers) await server.stop();
    },
  };
}

/** How many files a process has open. */
export async function openFiles({ pid }: ChildProcess): Promise<number> {
  return (await readdir(`/proc/${String(pid)}/fd`)).length;
}

async function startControllers(
  domain: ScriptedDomain,
  ca: TestCa,
): Promise<readonly LdapServer[]> {
  const certificate = await ca.issue(CONTROLLERS);
  return Promise.all(
    CONTROLLERS.map((name) => startLdapServer({ certificate, answer: domain.on({ name }) })),
  );
}

interface ServiceStart {
  readonly clock: Clock;
  readonly ca: TestCa;
}

async function startService(
  folder: string,
  { clock, ca }: ServiceStart,
): Promise<{ service: ChildProcess; url: string; key: string }> {
  const tls = await ca.issue(['127.0.0.1', 'localhost']);
  const [certificateFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(certificateFile, tls.cert);
  await writeFile(keyFile, tls.key, { mode: 0o600 });
  const data = dataFolder(join(folder, 'service'));
  await createKeys(data.keys, ISSUER, clock.now());
  const key = await fillDatabase(data.database, clock);
  const config: ServiceInput['config'] = {
    url: ISSUER,
    dataFolder: data.path,
    listen: { host: '127.0.0.1', port: 0, certificateFile, keyFile, maxConnections: 1_024 },
    health: { host: '127.0.0.1', port: 0 },
    logging: { level: 'info' },
    sessionMs: 12 * HOUR_MS,
    drainMs: 5_000,
    retention: { operationsMs: 2 * HOUR_MS, auditMs: 4 * HOUR_MS },
  };
  const service = await started('service', folder, { config });
  const { address } = await message<{ address: string }>(service);
  return { service, url: address, key };
}

async function fillDatabase(path: string, clock: Clock): Promise<string> {
  await using store = await openSqliteStore(path);
  await addDirectory(store, DIRECTORY, clock.now());
  const wish = { directory: DIRECTORY, scopes: SCOPES, actor: 'soak' };
  return (await createApiKey(store, wish, clock.now())).key.reveal();
}

function agentConfig(
  folder: string,
  { url, ports }: { readonly url: string; readonly ports: readonly number[] },
): AgentConfig {
  const caFile = join(folder, 'ca.pem');
  return {
    service: { urls: [url], caFile, systemCa: false, noProxy: [] },
    directory: {
      domain: 'corp.test',
      domainControllers: CONTROLLERS.map((name, i) => ({
        ...{ name, address: '127.0.0.1' },
        port: ports[i] ?? 0,
      })),
      caFile,
      pinnedKeys: [],
      bind: { user: SERVICE_ACCOUNT.user, passwordFile: join(folder, 'bind.password') },
    },
    guard: OPEN_GUARD,
    peers: [],
    stateFolder: join(folder, 'agent'),
    health: { port: 0, host: '127.0.0.1' },
    logging: { level: 'info' },
    concurrency: 4,
    drainMs: 5_000,
  };
}

/** Its input has a token in it: a private file, not an argument. */
async function started(
  name: 'agent' | 'service',
  folder: string,
  input: AgentInput | ServiceInput,
): Promise<ChildProcess> {
  const path = join(folder, `${name}.json`);
  await writeFile(path, JSON.stringify(input), { mode: 0o600 });
  return startMeasured(`../soaking/${name}-child.js`, [path]);
}
