import { expect, test } from 'vitest';
import { lookAtAgent } from '../../../../src/agent/doctor/agent-check.ts';
import { CHECKS } from '../../../../src/agent/doctor/check-list.ts';
import { checkTable } from '../../../../src/support/checks.ts';
import { delegate, grantUnexpire } from '../../../../src/agent/doctor/delegation.ts';
import { connectFinding } from '../../../../src/agent/doctor/service-checks.ts';
import { ConnectError, type ConnectFailureKind } from '../../../../src/support/connect-failure.ts';
import { UsageError } from '../../../../src/support/usage-error.ts';

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

test.each([
  ['is closed to this account', () => Promise.reject(new UsageError('may not be opened')), 'skip'],
  ['is of another version', () => Promise.resolve({ some: 'thing' }), 'skip'],
])('a socket that %s is no failure of the agent', async (_, ask, standing) => {
  const place = { stateFolder: '/nowhere', socket: '/nowhere/s', version: '1', enrolled: true };
  expect(await lookAtAgent(place, ask)).toMatchObject({ standing });
});

test('every check is in the table that is documented', () => {
  const table = checkTable(CHECKS);
  for (const id of Object.keys(CHECKS)) expect(table).toContain(`| \`${id}\` | `);
});
