import type { Rights } from '../../protocol/status.ts';
import type { RightFinding, SelfTest } from '../directory/directory.ts';

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 30 * DAY_MS;

/** How a person would name and delegate each. */
export const RIGHT_NAMES: Readonly<Record<RightFinding['right'], string>> = {
  resetPassword: 'Reset Password',
  writeLockoutTime: 'Write lockoutTime',
  writePwdLastSet: 'Write pwdLastSet',
  unexpirePassword: 'Unexpire Password',
};

/** The worst that was found of each right. */
export function rightsOf({ rights }: SelfTest): Rights {
  const worst = (right: RightFinding['right']): RightFinding['standing'] => {
    const found = rights.filter((finding) => finding.right === right);
    const has = (standing: RightFinding['standing']): boolean =>
      found.some((finding) => finding.standing === standing);
    if (has('missing')) return 'missing';
    return has('unknown') || found.length === 0 ? 'unknown' : 'granted';
  };
  return {
    resetPassword: worst('resetPassword'),
    writeLockoutTime: worst('writeLockoutTime'),
    writePwdLastSet: worst('writePwdLastSet'),
    unexpirePassword: worst('unexpirePassword'),
  };
}

/** What somebody has to do something about, and what. */
export function selfTestReasons(selfTest: SelfTest, at: number): readonly string[] {
  return [...missingRights(selfTest), ...passwordReasons(selfTest, at)];
}

/** One reason for each place, however many rights are missing there. */
function missingRights({ rights }: SelfTest): readonly string[] {
  const missing = rights.filter(({ standing }) => standing === 'missing');
  return [...new Set(missing.map(({ baseDn }) => baseDn))].map((baseDn) => {
    const findings = missing.filter((finding) => finding.baseDn === baseDn);
    if (baseDn === undefined) {
      return 'the service account has no Unexpire Password on the domain, so that everybody whose password is reset must change it at the next logon: grant it on the head of the domain';
    }
    const reason = findings.find((finding) => finding.reason !== undefined)?.reason;
    if (reason !== undefined)
      return `${baseDn}: ${reason}; correct guard.baseDns or delegate there`;
    const names = findings.map(({ right }) => RIGHT_NAMES[right]).join(', ');
    return `the service account lacks ${names} below ${baseDn}: delegate it there, for user objects`;
  });
}

function passwordReasons({ passwordExpiresAt }: SelfTest, at: number): readonly string[] {
  if (passwordExpiresAt === undefined || passwordExpiresAt === 'never') return [];
  const leftMs = passwordExpiresAt - at;
  if (leftMs > WARN_BEFORE_MS) return [];
  const when =
    leftMs > 0
      ? `expires in ${Math.floor(leftMs / DAY_MS)} days`
      : 'has expired or must be changed';
  return [
    `the password of the service account ${when}: set a new one, write it to directory.bind.passwordFile, or let it never expire`,
  ];
}
