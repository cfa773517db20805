import { timestamp } from '../../protocol/shapes.ts';
import {
  failed,
  passed,
  skipped,
  warned,
  type CheckResult,
  type Finding,
} from '../../support/checks.ts';
import type { RightFinding, SelfTest } from '../directory/directory.ts';
import type { Scope } from '../directory/survey.ts';
import { RIGHT_NAMES } from '../health/rights.ts';
import { result } from './check-list.ts';
import {
  delegate,
  grantPolicyRead,
  grantUnexpire,
  inheritAgain,
  type Grantee,
} from './delegation.ts';

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 30 * DAY_MS;

/** Where the same is explained, and scripts that grant, verify and take back. */
const SEE = 'DELEGATION.md has the scripts that do it, too';
const VERIFY = 'passback-delegation verify (DELEGATION.md) lists every place like it';

/** What the self-test and the survey of the scope have shown. */
export function rightsResults(
  { rights, passwordExpiresAt }: SelfTest,
  scope: Scope,
  { user, now }: { readonly user: string; readonly now: number },
): readonly CheckResult[] {
  const grantee: Grantee = { user, ...scope.own };
  const baseDns = [...scope.protectedAccounts.keys()];
  return [
    result('directory.password', passwordFinding(passwordExpiresAt, now)),
    ...baseDns.map((baseDn) => {
      const ofUnit = rights.filter((finding) => finding.baseDn === baseDn);
      return result('directory.rights', unitFinding(ofUnit, { baseDn, scope, grantee }), baseDn);
    }),
    result('directory.unexpire', unexpireFinding(rights, scope.domainDn, grantee)),
    result('directory.policies', policyFinding(scope, grantee)),
    ...baseDns.map((baseDn) =>
      result('directory.accounts', accountsFinding(scope, baseDn), baseDn),
    ),
  ];
}

interface Unit {
  readonly baseDn: string;
  readonly scope: Scope;
  readonly grantee: Grantee;
}

function unitFinding(rights: readonly RightFinding[], { baseDn, scope, grantee }: Unit): Finding {
  const missing = rights.flatMap(({ right, standing }) =>
    standing === 'missing' && right !== 'unexpirePassword' ? [right] : [],
  );
  const reason = rights.find((finding) => finding.reason !== undefined)?.reason;
  if (missing.length > 0 && reason !== undefined) {
    return failed(reason, 'Correct guard.baseDns, or let the service account see the unit.');
  }
  if (missing.length > 0) return missingFinding(missing, { baseDn, scope, grantee });
  const unknown = rights.filter(({ standing }) => standing === 'unknown');
  if (unknown.length === 0 && rights.length > 0) return passed('all three are there');
  const names = unknown.map(({ right }) => RIGHT_NAMES[right]).join(', ');
  return warned(
    `${names} cannot be told: ${reason ?? 'nothing was found'}`,
    'Have an ordinary account in the unit whose permissions the service account may read, then run this again.',
  );
}

function missingFinding(
  missing: readonly Exclude<RightFinding['right'], 'unexpirePassword'>[],
  { baseDn, scope, grantee }: Unit,
): Finding {
  const names = missing.map((right) => RIGHT_NAMES[right]).join(', ');
  const lacks = `the service account lacks ${names} on accounts in it`;
  const reason = scope.notInherited.get(baseDn);
  switch (reason?.why) {
    case 'cut-off':
      return failed(
        `${lacks}: inheritance is switched off at the account that was looked at, or at a unit between it and this one`,
        `Switch inheritance on again there, then run this again; ${VERIFY}:`,
        { commands: inheritAgain(reason.at) },
      );
    case 'not-inherited':
      return failed(
        `${lacks}: they were given on the unit itself and are not inherited`,
        `Give them to what is below it (/I:S); ${SEE}:`,
        { commands: delegate(missing, baseDn, grantee) },
      );
    case undefined:
      return failed(lacks, `Delegate them there, for user objects; ${SEE}:`, {
        commands: delegate(missing, baseDn, grantee),
      });
  }
}

function unexpireFinding(
  rights: readonly RightFinding[],
  domainDn: string,
  grantee: Grantee,
): Finding {
  const found = rights.find(({ right }) => right === 'unexpirePassword');
  switch (found?.standing) {
    case 'granted':
      return passed('the service account has it on the domain');
    case 'missing':
      return warned(
        'it was taken from everybody, so that each reset forces a change at the next logon',
        `Give it to the service account on the head of the domain; ${SEE}:`,
        { commands: grantUnexpire(domainDn, grantee) },
      );
    case 'unknown':
    case undefined:
      return skipped(found?.reason ?? 'it cannot be told');
  }
}

function passwordFinding(expiresAt: SelfTest['passwordExpiresAt'], now: number): Finding {
  if (expiresAt === undefined) return skipped('when it expires cannot be told');
  if (expiresAt === 'never') return passed('it never expires');
  const remedy =
    'Set a new one and write it to the file of directory.bind.passwordFile, which is read for each new connection; or let it never expire.';
  if (expiresAt <= now) return failed('it has expired, or must be changed', remedy);
  const date = timestamp(expiresAt).slice(0, 10);
  return expiresAt - now < WARN_BEFORE_MS
    ? warned(`it expires on ${date}`, remedy)
    : passed(`it expires on ${date}`);
}

function policyFinding({ policies, domainDn }: Scope, grantee: Grantee): Finding {
  const { container, readable, hidden } = policies;
  const remedy = `Let it read them, and refusals name the rule; ${SEE}:`;
  const commands = grantPolicyRead(domainDn, grantee);
  if (hidden.length > 0) {
    const names = hidden.join(', ');
    return warned(`the service account cannot read ${names}`, remedy, { commands });
  }
  if (readable.length > 0) return passed(`${readable.join(', ')} can be read`);
  return container === 'readable'
    ? passed('there are none')
    : passed(
        'none applies to the accounts that were looked at; whether there are others is hidden',
      );
}

function accountsFinding({ protectedAccounts }: Scope, baseDn: string): Finding {
  const accounts = protectedAccounts.get(baseDn);
  if (accounts === undefined) return skipped('the unit is not there to be seen');
  if (accounts.length === 0) return passed('none');
  return warned(
    `${accounts.length} with adminCount=1 in it: for them everything is refused (PROTECTED_ACCOUNT)`,
    'Administrators belong into a unit of their own; where one is none any more, clear adminCount and switch inheritance on again.',
    { local: { accounts: accounts.slice(0, 20) } },
  );
}
