import { afterAll, beforeAll } from 'vitest';
import { openActiveDirectory } from '../../src/agent/directory/active-directory.ts';
import { systemClock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import type { Dialect } from '../support/directory-answers.ts';
import { startLdapServer, type LdapServer } from '../support/ldap-server.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { ScriptedDomain, SERVICE_ACCOUNT } from '../support/scripted-domain.ts';
import { createTestCa, type TestCa, type TestCertificate } from '../support/test-ca.ts';
import { directoryContract, type ContractAccount } from './directory-contract.ts';

/** Windows takes no password with the name inside. */
const ACCOUNTS = [
  { sam: 'anna', password: 'Begins-with-4-Keys' },
  { sam: 'locked', password: 'Begins-with-5-Keys', locked: true },
];

let ca: TestCa;
let certificate: TestCertificate;

beforeAll(async () => {
  ca = await createTestCa();
  certificate = await ca.issue(['dc1.corp.test']);
});

scriptedContract('a scripted domain of Windows', 'windows');
scriptedContract('a scripted domain of Samba', 'samba');

/** The real adapter over real sockets, on a domain that keeps what is written to it. */
function scriptedContract(name: string, dialect: Dialect): void {
  let domain = new ScriptedDomain();
  let server: LdapServer | undefined;

  afterAll(() => server?.stop());

  function account(sam: string): ContractAccount {
    const { objectGuid, upn, facts } = domain.account(sam);
    return { objectGuid, sam, upn, password: facts.password };
  }

  directoryContract(name, {
    domain: 'CORP',
    baseDn: 'OU=People,DC=corp,DC=test',
    namesRules: dialect === 'samba',
    policyHints: dialect === 'windows',
    ordinary: () => account('anna'),
    locked: () => account('locked'),
    prepare: async () => {
      await server?.stop();
      domain = new ScriptedDomain({ dialect, accounts: ACCOUNTS });
      server = await startLdapServer({ certificate, answer: domain.on() });
    },
    open: async () =>
      openActiveDirectory({
        domainControllers: [
          { name: 'dc1.corp.test', address: '127.0.0.1', port: server?.port ?? 0 },
        ],
        ca: [ca.ca],
        bind: {
          user: SERVICE_ACCOUNT.user,
          password: async () => new Secret(SERVICE_ACCOUNT.password),
        },
        clock: systemClock,
        log: new MemoryLog(),
      }),
    accepts: async ({ sam }, password) => domain.account(sam).state.password === password,
    passwordWrites: async ({ sam }) => domain.account(sam).passwordWrites,
  });
}
