import { toFiletime } from '../../src/agent/directory/filetime.ts';
import { guid, sid } from './ldap-domain.ts';
import type { LdapEntry } from './ldap-messages.ts';

/** Bits of `userAccountControl` and its computed twin (MS-ADTS 2.2.16). */
const NORMAL_ACCOUNT = 0x200;
const FLAGS = { disabled: 0x2, neverExpires: 0x1_0000, smartcard: 0x4_0000 } as const;
const LOCKED = 0x10;

const UNICODE_PWD = 0x9_005a;
const NEVER = '9223372036854775807';
const DAY_MS = 86_400_000;

export const DOMAIN_USERS = 513;

/** An account as it begins. */
export interface ScriptedAccount {
  readonly sam: string;
  readonly password: string;
  /** Default is `<sam>@corp.test`. */
  readonly upn?: string;
  readonly displayName?: string;
  /** Below the domain; default is `OU=People`. */
  readonly ou?: string;
  /** RIDs of the groups it is in, nested ones included, besides its primary one. */
  readonly groups?: readonly number[];
  /** The same of the BUILTIN domain. */
  readonly builtinGroups?: readonly number[];
  /** Default: the next one from 1201. */
  readonly rid?: number;
  readonly servicePrincipalName?: string;
  readonly locked?: boolean;
  readonly disabled?: boolean;
  readonly expired?: boolean;
  readonly mustChange?: boolean;
  readonly neverExpires?: boolean;
  readonly smartcard?: boolean;
  readonly adminCount?: boolean;
  readonly critical?: boolean;
  /** The tick `User cannot change password`. */
  readonly cannotChange?: boolean;
  /** The agent has no rights on it: outside of what was delegated, or AdminSDHolder took them. */
  readonly denied?: boolean;
  /** Inheritance is switched off at it, or at the unit that it is in. */
  readonly cutOff?: boolean | 'unit';
  /** Name of the fine-grained policy that applies. */
  readonly policy?: string;
  /** Default is ten days: the minimum age is over. */
  readonly passwordAgeMs?: number;
}

/** What of an account moves, in the directory's own units. */
export interface AccountState {
  password: string;
  /** Everything it ever was, the current one last. */
  history: string[];
  pwdLastSet: string;
  lockoutTime: string;
  /** Replication metadata of `unicodePwd`. */
  passwordVersion: number;
  passwordSetAtMs: number;
  passwordUsn: number;
  usnChanged: number;
  badPasswords: number;
}

/** An account of a scripted domain: what it is, and how it stands. */
export class StoredAccount {
  readonly facts: ScriptedAccount;
  readonly objectGuid: string;
  readonly rid: number;
  readonly dn: string;
  readonly upn: string;
  state: AccountState;
  /** How often the account was changed, and how often its password was set. */
  writes = 0;
  passwordWrites = 0;

  constructor(facts: ScriptedAccount, rid: number, domainDn: string, nowMs: number) {
    const setAtMs = nowMs - (facts.passwordAgeMs ?? 10 * DAY_MS);
    this.facts = facts;
    this.rid = rid;
    this.objectGuid = `00000000-0000-4000-8000-${rid.toString(16).padStart(12, '0')}`;
    this.dn = `CN=${facts.sam},${facts.ou ?? 'OU=People'},${domainDn}`;
    this.upn = facts.upn ?? `${facts.sam}@corp.test`;
    this.state = {
      password: facts.password,
      history: [facts.password],
      pwdLastSet: facts.mustChange === true ? '0' : toFiletime(setAtMs),
      lockoutTime: facts.locked === true ? toFiletime(nowMs - 60_000) : '0',
      passwordVersion: 1,
      passwordSetAtMs: setAtMs,
      passwordUsn: 4_000 + rid,
      usnChanged: 4_000 + rid,
      badPasswords: facts.locked === true ? 5 : 0,
    };
  }

  get locked(): boolean {
    return this.state.lockoutTime !== '0';
  }

  /** As a base search by the agent shows it. */
  entry(nowMs: number, invocationId: string, policyDn: string | undefined): LdapEntry {
    const { facts, state, rid } = this;
    const control = Object.entries(FLAGS)
      .filter(([name]) => facts[name as keyof typeof FLAGS] === true)
      .reduce((bits, [, bit]) => bits | bit, NORMAL_ACCOUNT);
    return {
      dn: this.dn,
      attributes: {
        objectGUID: [guid(this.objectGuid)],
        objectSid: [sid(rid)],
        userAccountControl: [String(control)],
        'msDS-User-Account-Control-Computed': [String(this.locked ? LOCKED : 0)],
        sAMAccountName: [facts.sam],
        userPrincipalName: [this.upn],
        sAMAccountType: ['805306368'],
        tokenGroups: [
          ...[DOMAIN_USERS, ...(facts.groups ?? [])].map(sid),
          ...(facts.builtinGroups ?? []).map(builtinSid),
        ],
        primaryGroupID: [String(DOMAIN_USERS)],
        pwdLastSet: [state.pwdLastSet],
        lockoutTime: [state.lockoutTime],
        accountExpires: [facts.expired === true ? toFiletime(nowMs - DAY_MS) : NEVER],
        uSNChanged: [String(state.usnChanged)],
        replPropertyMetaData: [passwordMetadata(state, invocationId)],
        ...(facts.displayName !== undefined && { displayName: [facts.displayName] }),
        ...(facts.adminCount === true && { adminCount: ['1'] }),
        ...(facts.critical === true && { isCriticalSystemObject: ['TRUE'] }),
        ...(facts.servicePrincipalName !== undefined && {
          servicePrincipalName: [facts.servicePrincipalName],
        }),
        ...(policyDn !== undefined && { 'msDS-ResultantPSO': [policyDn] }),
      },
    };
  }
}

/** S-1-5-32-<rid>. */
function builtinSid(rid: number): Buffer {
  const bytes = Buffer.from('01020000000000052000000000000000', 'hex');
  bytes.writeUInt32LE(rid, 12);
  return bytes;
}

/** PROPERTY_META_DATA_VECTOR (MS-DRSR 5.162) with the one record that the agent looks for. */
function passwordMetadata(state: AccountState, invocationId: string): Buffer {
  const bytes = Buffer.alloc(16 + 48);
  bytes.writeUInt32LE(1, 0);
  bytes.writeUInt32LE(1, 8);
  const record = bytes.subarray(16);
  record.writeUInt32LE(UNICODE_PWD, 0);
  record.writeUInt32LE(state.passwordVersion, 4);
  // A DSTIME: seconds since 1601.
  record.writeBigUInt64LE(BigInt(toFiletime(state.passwordSetAtMs)) / 10_000_000n, 8);
  guid(invocationId).copy(record, 16);
  record.writeBigUInt64LE(BigInt(state.passwordUsn), 32);
  record.writeBigUInt64LE(BigInt(state.passwordUsn), 40);
  return bytes;
}
