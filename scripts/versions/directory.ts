import { toFiletime } from '../../src/agent/directory/filetime.ts';
import { startLdapServer } from '../../test/support/ldap-server.ts';
import type { StoredAccount } from '../../test/support/scripted-account.ts';
import { ScriptedDomain, SERVICE_ACCOUNT } from '../../test/support/scripted-domain.ts';
import type { StackLab } from '../../test/support/stack.ts';
import { createTestCa } from '../../test/support/test-ca.ts';

const CONTROLLER = 'dc1.corp.test';

/** A certificate that ends within a month is a warning. */
const LIFETIME_MS = 60 * 86_400_000;

/** A scripted domain with one account, behind LDAPS on loopback. */
export interface TrialDirectory extends AsyncDisposable {
  readonly lab: StackLab;
  readonly anna: StoredAccount;
  /** While true, what is written is written, and nobody hears of it. */
  losesAnswers: boolean;
  lockAnna(): void;
}

export async function openTrialDirectory(): Promise<TrialDirectory> {
  const ca = await createTestCa();
  const domain = new ScriptedDomain({ accounts: [{ sam: 'anna', password: 'Old-Password-1' }] });
  const answer = domain.on({ name: CONTROLLER });
  const anna = domain.account('anna');
  const server = await startLdapServer({
    certificate: await ca.issue([CONTROLLER], { notAfter: new Date(Date.now() + LIFETIME_MS) }),
    answer: async (request) => {
      const given = await answer(request);
      return request.op === 'modify' && directory.losesAnswers ? 'silence' : given;
    },
  });
  const directory: TrialDirectory = {
    lab: {
      domain: 'corp.test',
      delegatedOu: 'OU=People,DC=corp,DC=test',
      ca: ca.ca,
      controllers: [{ name: CONTROLLER, address: '127.0.0.1', port: server.port }],
      serviceAccount: {
        userPrincipalName: SERVICE_ACCOUNT.user,
        password: SERVICE_ACCOUNT.password,
      },
    },
    anna,
    losesAnswers: false,
    lockAnna: () => {
      anna.state.lockoutTime = toFiletime(Date.now());
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
  return directory;
}
