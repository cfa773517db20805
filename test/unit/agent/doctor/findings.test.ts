import { expect, test } from 'vitest';
import { lookAtAgent } from '../../../../src/agent/doctor/agent-check.ts';
import { tryCanary } from '../../../../src/agent/doctor/canary.ts';
import { CHECKS } from '../../../../src/agent/doctor/check-list.ts';
import {
  delegate,
  grantPolicyRead,
  grantUnexpire,
} from '../../../../src/agent/doctor/delegation.ts';
import { connectFinding } from '../../../../src/agent/doctor/service-checks.ts';
import type { AccountReading } from '../../../../src/agent/directory/directory.ts';
import type { LocalStatus } from '../../../../src/agent/health/local-status.ts';
import { checkTable } from '../../../../src/support/checks.ts';
import { ConnectError, type ConnectFailureKind } from '../../../../src/support/connect-failure.ts';
import { UsageError } from '../../../../src/support/usage-error.ts';
import { OPEN_GUARD } from '../../../support/command-rig.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';

const URL_OF_SERVICE = new URL('https://reset.example.com/v1/connect');

test.each<[ConnectFailureKind, 'proxy' | 'service', RegExp]>([
  ['dns', 'service', /ask a DNS server/],
  ['refused', 'service', /let this machine out/i],
  ['timeout', 'service', /service\.proxy\.url/],
  ['tls-untrusted', 'service', /Renew the certificate/],
  ['tls', 'service', /Look at service\.url/],
  ['other', 'service', /Look at service\.url/],
  ['proxy-login', 'proxy', /service\.proxy\.credentialsFile/],
  ['proxy-refused', 'proxy', /allow CONNECT/],
  ['dns', 'proxy', /Look at the proxy/],
])('a connection that failed by %s at the %s says what to do', (kind, at, words) => {
  const finding = connectFinding(new ConnectError({ kind, reason: 'why' }, at), URL_OF_SERVICE);
  expect(finding).toMatchObject({ standing: 'fail' });
  expect(finding.found).toContain('why');
  expect(finding.remedy).toMatch(words);
});

test('a CA that nobody trusts is looked at with a command, and only then believed', () => {
  const failure = { kind: 'tls-untrusted', reason: 'why', isUnknownCa: true } as const;
  const { remedy, commands } = connectFinding(new ConnectError(failure), URL_OF_SERVICE);
  expect(remedy).toMatch(/confirmed the fingerprint.*service\.caFile/);
  expect(commands?.[0]?.lines).toEqual([
    'openssl s_client -connect reset.example.com:443 -showcerts </dev/null',
  ]);
});

test('without a SID the command for Samba looks it up, and a quote in a DN breaks out of nothing', () => {
  const grantee = { user: 'CORP\\svc' };
  const [windows, samba] = delegate(['resetPassword'], `OU=O'Brien;$(x),DC=corp`, grantee);
  expect(windows?.lines).toEqual([
    `dsacls "OU=O'Brien;$(x),DC=corp" /I:S /G "CORP\\svc:CA;Reset Password;user"`,
  ]);
  expect(samba?.lines[0]).toBe(
    "sid=$(samba-tool user show svc --attributes=objectSid | sed -n 's/^objectSid: //p')",
  );
  expect(samba?.lines[1]).toContain(`--objectdn='OU=O'\\''Brien;$(x),DC=corp'`);
  const [, unexpire] = grantUnexpire('DC=corp', {
    user: 'svc@corp',
    samAccountName: 'svc',
    sid: 'S-1',
  });
  expect(unexpire?.lines).toEqual([
    `samba-tool dsacl set --objectdn='DC=corp' --action=allow --sddl="(OA;;CR;ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501;;S-1)"`,
  ]);
});

test('each right is delegated by its own name and GUID, and nothing more is', () => {
  const grantee = { user: 'svc@corp', sid: 'S-1' };
  const [windows, samba] = delegate(
    ['resetPassword', 'writeLockoutTime', 'writePwdLastSet'],
    'OU=P,DC=corp',
    grantee,
  );
  const user = 'bf967aba-0de6-11d0-a285-00aa003049e2';
  expect(windows?.lines).toEqual([
    'dsacls "OU=P,DC=corp" /I:S /G "svc@corp:CA;Reset Password;user"',
    'dsacls "OU=P,DC=corp" /I:S /G "svc@corp:RPWP;lockoutTime;user"',
    'dsacls "OU=P,DC=corp" /I:S /G "svc@corp:RPWP;pwdLastSet;user"',
  ]);
  expect(samba?.lines.map((line) => /--sddl="(.*)"$/.exec(line)?.[1])).toEqual([
    `(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;${user};S-1)`,
    `(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;${user};S-1)`,
    `(OA;CIIO;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;${user};S-1)`,
  ]);
  const container = 'CN=Password Settings Container,CN=System,DC=corp';
  expect(grantPolicyRead('DC=corp', grantee).map(({ lines }) => lines)).toEqual([
    [`dsacls "${container}" /I:T /G "svc@corp:GR"`],
    [
      `samba-tool dsacl set --objectdn='${container}' --action=allow --sddl="(A;CI;RPLCLORC;;;S-1)"`,
    ],
  ]);
});

test('an account that is configured by its DN is named for dsacls as it takes names', () => {
  const user = String.raw`CN=Service\, DC=x,OU=Agents,DC=corp, dc=test`;
  const grantee = { user, samAccountName: 'svc', sid: 'S-1' };
  const windows = [
    ...delegate(['resetPassword'], 'OU=P,DC=corp,DC=test', grantee).slice(0, 1),
    ...grantUnexpire('DC=corp,DC=test', grantee).slice(0, 1),
    ...grantPolicyRead('DC=corp,DC=test', grantee).slice(0, 1),
  ].flatMap(({ lines }) => lines);
  expect(windows.map((line) => / \/G (.*)$/.exec(line)?.[1])).toEqual([
    String.raw`"corp.test\svc:CA;Reset Password;user"`,
    String.raw`"corp.test\svc:CA;Unexpire Password"`,
    String.raw`"corp.test\svc:GR"`,
  ]);
});

test('nobody guesses the name of an account that the directory does not show', () => {
  const [windows, samba] = grantUnexpire('DC=corp', { user: 'CN=svc,OU=Agents,DC=corp' });
  expect(windows?.lines).toEqual([
    String.raw`dsacls "DC=corp" /G "corp\SAMACCOUNTNAME:CA;Unexpire Password"`,
  ]);
  expect(samba?.lines[0]).toContain('samba-tool user show SAMACCOUNTNAME ');
});

test.each([
  ['is closed to this account', () => Promise.reject(new UsageError('may not be opened')), 'skip'],
  ['is of another version', () => Promise.resolve({ some: 'thing' }), 'skip'],
])('a socket that %s is no failure of the agent', async (_, ask, standing) => {
  const place = {
    stateFolder: '/nowhere',
    socket: '/nowhere/s',
    version: '1',
    enrolled: true,
    run: 'passback run',
  };
  expect(await lookAtAgent(place, ask)).toMatchObject({ standing });
});

/** A directory that shows these facts of an account once it has been reset. */
class LyingDirectory extends FakeDirectory {
  readonly #after: Partial<AccountReading>;

  constructor(after: Partial<AccountReading>) {
    super([{ sam: 'anna', password: 'Old-Password-1', facts: { pwdLastSet: '1', locked: true } }]);
    this.#after = after;
  }

  override async read(...args: Parameters<FakeDirectory['read']>): Promise<AccountReading> {
    const reading = await super.read(...args);
    return this.writes === 0 ? reading : { ...reading, ...this.#after };
  }
}

test.each<[string, Partial<AccountReading>, string, RegExp]>([
  ['has no new password', { pwdLastSet: '1' }, 'fail', /no trace of it/],
  ['is still locked', { locked: true }, 'fail', /still locked/],
  ['must change its password', { mustChange: true }, 'warn', /must change its password/],
  ['is as it was asked for', {}, 'pass', /reset and unlocked it/],
])('a canary that %s after its reset is told so', async (_, after, standing, words) => {
  const directory = new LyingDirectory(after);
  const confirm = (): Promise<boolean> => Promise.resolve(true);
  const options = { name: 'anna', directory, guard: OPEN_GUARD, stopped: undefined, confirm };
  const [account, write] = await tryCanary(options, new AbortController().signal);
  expect(account).toMatchObject({ standing: 'pass' });
  expect(write).toMatchObject({ id: 'canary.write', standing });
  expect(write?.found).toMatch(words);
});

const UUID = '11111111-2222-4333-8444-555555555555';
const AT = '2030-01-01T00:00:00.000Z';
const HOURLY = { self: 1, admin: 1 };

/** What an agent says of itself that is connected and would carry out anything. */
const WELL: LocalStatus = {
  ...{ agent: UUID, directory: 'corp', notReady: [], stuck: [] },
  build: { version: '1.0.0', node: 'v24.1.0', platform: 'linux', pid: 4711 },
  link: { state: 'ready', since: AT, url: 'https://reset.example.com' },
  status: {
    ...{ at: AT, state: 'running', reasons: [], controllers: [], counters: {} },
    journal: { epoch: UUID, seq: 1, open: 0 },
    keys: {
      ...{ device: 'x'.repeat(43), sealing: 'x'.repeat(43) },
      ...{ sealingSince: AT, keySet: 1 },
    },
    ...{ version: '1.0.0', startedAt: AT },
  },
  guard: {
    ...{ self: ['reset'], admin: [], baseDns: [], deniedBaseDns: 0, allowedGroups: 0 },
    ...{ protectedGroups: 0, protectedAccounts: 0, allowServicePrincipalNames: false },
    limits: {
      ...{ perAccount: 1, perActor: HOURLY, overall: 1, wrongPasswords: 1, inspections: HOURLY },
    },
    breaker: { windowMinutes: 10, perActor: 1, overall: 1, open: false, stoppedActors: 0 },
    dryRun: false,
  },
};

test.each<[string, Partial<LocalStatus>, string, RegExp]>([
  ['is connected', {}, 'pass', /connected to https:\/\/reset\.example\.com/],
  ['has no session', { link: { state: 'dialing', since: AT } }, 'fail', /the link is dialing/],
  [
    'is not let in',
    { link: { state: 'rejected', since: AT }, notReady: ['the service has revoked this agent'] },
    'fail',
    /has revoked this agent/,
  ],
  [
    'would carry out nothing',
    { notReady: ['paused at the agent since x: anna asked'] },
    'warn',
    /would carry out nothing now/,
  ],
  [
    'is of another version',
    { build: { ...WELL.build, version: '0.9.0' } },
    'warn',
    /version 0\.9\.0, while this is 1\.0\.0/,
  ],
])('an agent that answers and %s is told so', async (_, said, standing, words) => {
  const place = {
    stateFolder: '/nowhere',
    socket: '/s',
    version: '1.0.0',
    enrolled: true,
    run: 'passback run',
  };
  const finding = await lookAtAgent(place, () => Promise.resolve({ ...WELL, ...said }));
  expect(finding).toMatchObject({ standing });
  expect(finding.found).toMatch(words);
  expect(finding.found).not.toContain('anna asked');
});

test('every check is in the table that is documented', () => {
  const table = checkTable(CHECKS);
  for (const id of Object.keys(CHECKS)) expect(table).toContain(`| \`${id}\` | `);
});
