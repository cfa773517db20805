import type { EffectivePolicy } from '../../protocol/account.ts';
import type { AccountReading } from './directory.ts';
import type { DirectoryEntry } from './entry.ts';
import { fromFiletime } from './filetime.ts';
import { guidText } from './guid.ts';
import { passwordMetadata } from './replication-metadata.ts';
import { domainOf, sidText } from './sid.ts';

/** Bits of `userAccountControl` and its computed twin (MS-ADTS 2.2.16, 3.1.1.4.5.17). */
const DISABLED = 0x2;
const LOCKED = 0x10;
const PASSWORD_NEVER_EXPIRES = 0x1_0000;
const SMARTCARD_REQUIRED = 0x4_0000;

/** All of them in one base search: `tokenGroups` and the computed ones are made in no other (MS-ADTS 3.1.1.4.5). */
export const ACCOUNT_ATTRIBUTES = [
  'objectGUID',
  'objectSid',
  'userAccountControl',
  'msDS-User-Account-Control-Computed',
  'sAMAccountName',
  'displayName',
  'sAMAccountType',
  'tokenGroups',
  'primaryGroupID',
  'adminCount',
  'isCriticalSystemObject',
  'servicePrincipalName',
  'pwdLastSet',
  'lockoutTime',
  'accountExpires',
  'msDS-ResultantPSO',
  'replPropertyMetaData',
  'uSNChanged',
] as const;

export const BINARY_ATTRIBUTES = [
  'objectGUID',
  'objectSid',
  'tokenGroups',
  'replPropertyMetaData',
] as const;

/** What the entry itself does not tell. */
export interface ReadingContext {
  readonly controller: string;
  readonly controllerTimeMs: number;
  readonly controllerTimeUnsureMs: number;
  readonly readAtMs: number;
  readonly invocationId: string | undefined;
  /** The agent's own SIDs as the controller sees them. */
  readonly ownSids: readonly string[];
  readonly policyHints: boolean;
  readonly policy: EffectivePolicy;
}

/** Throws `DIRECTORY_CONFIG`, naming the attribute, when something is missing that every account has. */
export function toReading(entry: DirectoryEntry, context: ReadingContext): AccountReading {
  const { ownSids, invocationId, ...known } = context;
  const sid = oneSid(entry);
  const displayName = entry.text('displayName');
  const usnChanged = entry.int64('uSNChanged');
  return {
    ...known,
    objectGuid: entry.required('objectGUID', guidOf(entry)),
    distinguishedName: entry.dn,
    samAccountName: entry.required('sAMAccountName', entry.text('sAMAccountName')),
    sid,
    groupSids: groupSids(entry, sid),
    adminCount: (entry.int32('adminCount') ?? 0) > 0,
    criticalSystemObject: entry.text('isCriticalSystemObject') === 'TRUE',
    hasServicePrincipalName: entry.has('servicePrincipalName'),
    ownAccount: ownSids.includes(sid),
    samAccountType: entry.required('sAMAccountType', entry.int32('sAMAccountType')),
    ...stateOf(entry, context.controllerTimeMs),
    ...metadataOf(entry),
    ...(displayName !== undefined && { displayName }),
    ...(usnChanged !== undefined && { usnChanged }),
    ...(invocationId !== undefined && { invocationId }),
  };
}

function stateOf(entry: DirectoryEntry, nowMs: number) {
  const control = entry.required('userAccountControl', entry.int32('userAccountControl'));
  const computedName = 'msDS-User-Account-Control-Computed';
  const computed = entry.required(computedName, entry.int32(computedName));
  const pwdLastSet = entry.required('pwdLastSet', entry.int64('pwdLastSet'));
  const expires = entry.required('accountExpires', entry.int64('accountExpires'));
  const passwordNeverExpires = (control & PASSWORD_NEVER_EXPIRES) !== 0;
  return {
    disabled: (control & DISABLED) !== 0,
    expired: (fromFiletime(expires) ?? Infinity) <= nowMs,
    locked: (computed & LOCKED) !== 0,
    mustChange: pwdLastSet === '0' && !passwordNeverExpires,
    passwordNeverExpires,
    smartcardRequired: (control & SMARTCARD_REQUIRED) !== 0,
    pwdLastSet,
    // Absent until the first lockout.
    lockoutTime: entry.int64('lockoutTime') ?? '0',
  };
}

function metadataOf(entry: DirectoryEntry): Pick<AccountReading, 'unicodePwd'> {
  const [blob] = entry.bytes('replPropertyMetaData');
  const unicodePwd = blob && passwordMetadata(blob);
  return unicodePwd === undefined ? {} : { unicodePwd };
}

function guidOf(entry: DirectoryEntry): string | undefined {
  const [guid] = entry.bytes('objectGUID');
  return guid && guidText(guid);
}

function oneSid(entry: DirectoryEntry): string {
  const [sid] = entry.bytes('objectSid');
  return entry.required('objectSid', sid && sidText(sid));
}

/** Complete, or an error: a list without the primary group is one that was cut or hidden. */
function groupSids(entry: DirectoryEntry, sid: string): readonly string[] {
  const groups = entry
    .bytes('tokenGroups')
    .map((group) => entry.required('tokenGroups', sidText(group)));
  const primaryRid = entry.required('primaryGroupID', entry.int32('primaryGroupID'));
  if (!groups.includes(`${domainOf(sid)}-${primaryRid}`)) throw entry.unreadable('tokenGroups');
  return groups;
}
