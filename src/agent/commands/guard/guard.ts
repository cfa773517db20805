import type { By, Operation, OutcomeCode } from '../../../protocol/codes.ts';
import type { AccountReading } from '../../directory/directory.ts';
import { isBelow, mayBeBelow } from './distinguished-name.ts';
import type { GuardSettings } from './guard-settings.ts';

/** SAM_NORMAL_USER_ACCOUNT (MS-SAMR 2.2.1.9): no trust, machine or managed service account. */
const NORMAL_USER = 805306368;

/** Accounts below this RID are made by Windows: Administrator, Guest, krbtgt (MS-DTYP 2.4.2.4). */
const FIRST_ORDINARY_RID = 1000;

/** Privileged groups of a domain or forest by RID (MS-DTYP 2.4.2.4), whichever domain they are in. */
const PRIVILEGED_RIDS = new Set([
  498, // Enterprise Read-only Domain Controllers
  512, // Domain Admins
  516, // Domain Controllers
  517, // Cert Publishers
  518, // Schema Admins
  519, // Enterprise Admins
  520, // Group Policy Creator Owners
  521, // Read-only Domain Controllers
  526, // Key Admins
  527, // Enterprise Key Admins
]);

/** Privileged groups of the BUILTIN domain. */
const PRIVILEGED_BUILTIN = new Set([
  'S-1-5-32-544', // Administrators
  'S-1-5-32-548', // Account Operators
  'S-1-5-32-549', // Server Operators
  'S-1-5-32-550', // Print Operators
  'S-1-5-32-551', // Backup Operators
  'S-1-5-32-552', // Replicator
]);

export interface GuardRequest {
  readonly op: Operation;
  readonly by: By;
}

/** Whether the configuration allows the operation at all, before any account is looked at. */
export function allowsOperation({ op, by }: GuardRequest, settings: GuardSettings): boolean {
  return settings.operations[by].includes(op);
}

/**
 * Why the account may not be touched; undefined when it may. Decides on facts that were read, never
 * on absent ones: a reading that is not whole is `DIRECTORY_CONFIG`.
 */
export function refusalFor(
  account: AccountReading,
  { op }: GuardRequest,
  settings: GuardSettings,
): OutcomeCode | undefined {
  if (!isWhole(account)) return 'DIRECTORY_CONFIG';
  if (!inScope(account, settings)) return 'OUT_OF_SCOPE';
  if (isProtected(account, settings)) return 'PROTECTED_ACCOUNT';
  return stateRefusal(account, op);
}

const FLAGS = [
  'adminCount',
  'criticalSystemObject',
  'hasServicePrincipalName',
  'ownAccount',
  'disabled',
  'expired',
  'locked',
  'smartcardRequired',
] as const satisfies readonly (keyof AccountReading)[];

/** Whether every fact that is decided on below is there and is of its kind, whatever the types promise. */
function isWhole(
  account: Readonly<Record<keyof AccountReading, unknown>> | AccountReading,
): boolean {
  const { distinguishedName, sid, samAccountType, groupSids } = account;
  return (
    FLAGS.every((flag) => typeof account[flag] === 'boolean') &&
    typeof distinguishedName === 'string' &&
    typeof sid === 'string' &&
    typeof samAccountType === 'number' &&
    // Everybody has a primary group: none at all means that tokenGroups was not read.
    Array.isArray(groupSids) &&
    groupSids.length > 0 &&
    groupSids.every((group) => typeof group === 'string' && group.startsWith('S-1-'))
  );
}

function inScope(
  { distinguishedName: dn, groupSids }: AccountReading,
  { baseDns, deniedBaseDns, allowedGroups }: GuardSettings,
): boolean {
  return (
    baseDns.some((base) => isBelow(dn, base)) &&
    !deniedBaseDns.some((base) => mayBeBelow(dn, base)) &&
    (allowedGroups.length === 0 || groupSids.some((sid) => allowedGroups.includes(sid)))
  );
}

function isProtected(account: AccountReading, settings: GuardSettings): boolean {
  return (
    account.adminCount ||
    account.criticalSystemObject ||
    account.ownAccount ||
    account.samAccountType !== NORMAL_USER ||
    !(ridOf(account.sid) >= FIRST_ORDINARY_RID) ||
    (account.hasServicePrincipalName && !settings.allowServicePrincipalNames) ||
    settings.protectedAccounts.includes(account.sid) ||
    account.groupSids.some((sid) => isPrivileged(sid) || settings.protectedGroups.includes(sid))
  );
}

/** Whether a group (SID) is one of those whose members are protected in every domain. */
export function isPrivileged(groupSid: string): boolean {
  return PRIVILEGED_BUILTIN.has(groupSid) || PRIVILEGED_RIDS.has(ridOf(groupSid));
}

/** The last sub-authority; NaN when it is no SID of a domain, which passes no comparison. */
function ridOf(sid: string): number {
  return Number(/^S-1-5-21-\d+-\d+-\d+-(\d+)$/.exec(sid)?.[1] ?? NaN);
}

function stateRefusal(account: AccountReading, op: Operation): OutcomeCode | undefined {
  if (account.disabled) return 'ACCOUNT_DISABLED';
  if (account.expired) return 'ACCOUNT_EXPIRED';
  if (account.smartcardRequired && op !== 'unlock') return 'SMARTCARD_REQUIRED';
  if (account.locked && op === 'change') return 'ACCOUNT_LOCKED';
  return undefined;
}
