import {
  openActiveDirectory,
  type ActiveDirectoryOptions,
} from '../../src/agent/directory/active-directory.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import { systemClock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import { startLdapServer, type LdapServer } from './ldap-server.ts';
import { MemoryLog } from './memory-log.ts';
import { ScriptedDomain, SERVICE_ACCOUNT, type ScriptedDomainOptions } from './scripted-domain.ts';
import type { ScriptedController } from './scripted-entries.ts';
import { createTestCa } from './test-ca.ts';

export interface ScriptedDirectoryOptions extends ScriptedDomainOptions {
  /** Default is one that behaves. */
  readonly controllers?: readonly ScriptedController[];
  readonly adapter?: Partial<ActiveDirectoryOptions>;
}

export interface ScriptedDirectory extends AsyncDisposable {
  readonly domain: ScriptedDomain;
  readonly servers: readonly LdapServer[];
  /** The real adapter, connected to the scripted controllers. */
  readonly directory: Directory;
  readonly log: MemoryLog;
}

const authority = createTestCa().then(async (ca) => ({
  ca,
  certificate: await ca.issue(['dc1.corp.test', 'dc2.corp.test', 'dc3.corp.test']),
}));

/** A scripted domain behind LDAPS on loopback, and the agent's adapter in front of it. */
export async function openScriptedDirectory(
  options: ScriptedDirectoryOptions = {},
): Promise<ScriptedDirectory> {
  const { controllers = [{}], adapter } = options;
  const { ca, certificate } = await authority;
  const domain = new ScriptedDomain(options);
  const named = controllers.map((each, i) => ({ ...each, name: `dc${i + 1}.corp.test` }));
  const servers = await Promise.all(
    named.map((each) => startLdapServer({ certificate, answer: domain.on(each) })),
  );
  const log = new MemoryLog();
  const [first, ...others] = servers.map(({ port }, i) => ({
    name: `dc${i + 1}.corp.test`,
    address: '127.0.0.1',
    port,
  }));
  if (first === undefined) throw new RangeError('a directory needs a controller');
  const directory = openActiveDirectory({
    domainControllers: [first, ...others],
    ca: [ca.ca],
    bind: {
      user: SERVICE_ACCOUNT.user,
      password: async () => new Secret(SERVICE_ACCOUNT.password),
    },
    clock: systemClock,
    log,
    ...adapter,
  });
  return {
    domain,
    servers,
    directory,
    log,
    [Symbol.asyncDispose]: async () => {
      await directory[Symbol.asyncDispose]();
      for (const server of servers) await server.stop();
    },
  };
}
