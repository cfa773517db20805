import type { Commands } from '../../support/checks.ts';
import { shellWord } from '../../support/shell-word.ts';
import type { RightFinding } from '../directory/directory.ts';
import type { OwnAccount } from '../directory/survey-queries.ts';

/** Whom rights are given to, as far as it is known. */
export interface Grantee extends OwnAccount {
  /** As the configuration names it. */
  readonly user: string;
}

/** Schema GUIDs of what the rights are about, and how dsacls calls them (on an English system). */
const RIGHTS = {
  resetPassword: {
    dsacls: 'CA;Reset Password;user',
    sddl: 'CR;00299570-246d-11d0-a768-00aa006e0529',
  },
  writeLockoutTime: {
    dsacls: 'RPWP;lockoutTime;user',
    sddl: 'RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1',
  },
  writePwdLastSet: {
    dsacls: 'RPWP;pwdLastSet;user',
    sddl: 'RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2',
  },
} as const;

const USER_CLASS = 'bf967aba-0de6-11d0-a285-00aa003049e2';
const UNEXPIRE = 'ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501';

const ON_WINDOWS = 'on Windows, in a command prompt of a domain administrator';
const ON_SAMBA = 'on a Samba domain controller, as root';

/** How to give the missing rights on the accounts below a unit. */
export function delegate(
  missing: readonly Exclude<RightFinding['right'], 'unexpirePassword'>[],
  baseDn: string,
  grantee: Grantee,
): readonly Commands[] {
  const { name, sid, lookup } = named(grantee);
  return [
    {
      where: ON_WINDOWS,
      lines: missing.map(
        (right) => `dsacls ${quoted(baseDn)} /I:S /G "${name}:${RIGHTS[right].dsacls}"`,
      ),
    },
    {
      where: ON_SAMBA,
      lines: [
        ...lookup,
        ...missing.map((right) =>
          allow(baseDn, `(OA;CIIO;${RIGHTS[right].sddl};${USER_CLASS};${sid})`),
        ),
      ],
    },
  ];
}

/** How to give *Unexpire Password* on the head of the domain. */
export function grantUnexpire(domainDn: string, grantee: Grantee): readonly Commands[] {
  const { name, sid, lookup } = named(grantee);
  return [
    { where: ON_WINDOWS, lines: [`dsacls ${quoted(domainDn)} /G "${name}:CA;Unexpire Password"`] },
    { where: ON_SAMBA, lines: [...lookup, allow(domainDn, `(OA;;CR;${UNEXPIRE};;${sid})`)] },
  ];
}

/** How to let the account read the values of fine-grained policies. */
export function grantPolicyRead(domainDn: string, grantee: Grantee): readonly Commands[] {
  const { name, sid, lookup } = named(grantee);
  const container = `CN=Password Settings Container,CN=System,${domainDn}`;
  return [
    { where: ON_WINDOWS, lines: [`dsacls ${quoted(container)} /I:T /G "${name}:GR"`] },
    { where: ON_SAMBA, lines: [...lookup, allow(container, `(A;CI;RPLCLORC;;;${sid})`)] },
  ];
}

/** samba-tool changes single entries only: what it is made of can do more. */
const INHERIT = [
  'import sys',
  'from samba.auth import system_session',
  'from samba.dcerpc import security',
  'from samba.param import LoadParm',
  'from samba.samdb import SamDB',
  'from samba.sd_utils import SDUtils',
  'lp = LoadParm()',
  'lp.load_default()',
  'sd = SDUtils(SamDB(lp=lp, session_info=system_session(lp)))',
  'only = ["sd_flags:1:4"]',
  'acl = sd.read_sd_on_dn(sys.argv[1], only)',
  'acl.type &= ~security.SEC_DESC_DACL_PROTECTED',
  'sd.modify_sd_on_dn(sys.argv[1], acl, only)',
].join('; ');

/** How to let an object take over again what is given above it. */
export function inheritAgain(dn: string): readonly Commands[] {
  return [
    { where: ON_WINDOWS, lines: [`dsacls ${quoted(dn)} /P:N`] },
    { where: ON_SAMBA, lines: [`python3 -c '${INHERIT}' ${shellQuoted(dn)}`] },
  ];
}

function allow(dn: string, sddl: string): string {
  return `samba-tool dsacl set --objectdn=${shellQuoted(dn)} --action=allow --sddl="${sddl}"`;
}

interface Named {
  readonly name: string;
  /** A SID, or the shell's variable with it. */
  readonly sid: string;
  /** What sets that variable. */
  readonly lookup: readonly string[];
}

function named({ user, sid, samAccountName }: Grantee): Named {
  const isDn = user.includes('=');
  const sam = samAccountName ?? (isDn ? UNKNOWN : nameIn(user));
  // dsacls takes no DN.
  const name = isDn ? `${domainIn(user)}\\${sam}` : user;
  if (sid !== undefined) return { name, sid, lookup: [] };
  const show = `samba-tool user show ${shellWord(sam)} --attributes=objectSid`;
  return { name, sid: '$sid', lookup: [`sid=$(${show} | sed -n 's/^objectSid: //p')`] };
}

/** To be filled in: the first name in a DN may be the name of another account. */
const UNKNOWN = 'SAMACCOUNTNAME';

function nameIn(user: string): string {
  return /^(?:[^\\]*\\)?([^@]+)/.exec(user)?.[1] ?? user;
}

/** The DNS name of the domain that a DN ends with. */
function domainIn(dn: string): string {
  const [end = ''] = /(?:,\s*DC=[^,]+)+$/i.exec(dn) ?? [];
  return Array.from(end.matchAll(/DC=([^,]+)/gi), ([, label = '']) => label.trim()).join('.');
}

/** For cmd.exe: a DN has no double quotes but escaped ones, which dsacls takes as they are. */
function quoted(dn: string): string {
  return `"${dn}"`;
}

function shellQuoted(dn: string): string {
  return `'${dn.replaceAll("'", `'\\''`)}'`;
}
