import type { LdapAnswer, LdapRequest } from './ldap-server.ts';

const DOMAIN_DN = 'DC=corp,DC=test';
const CONFIGURATION_DN = `CN=Configuration,${DOMAIN_DN}`;

export const ANNA_GUID = '11111111-2222-4333-8444-555555555555';

/** Of every controller's database, unless it has one of its own. */
const INVOCATION_ID = '66666666-7777-4888-8999-aaaaaaaaaaaa';

type Attributes = Readonly<Record<string, readonly (string | Buffer)[]>>;

export interface LdapDomainOptions {
  /** Instead of, or besides, what every controller says of itself. */
  readonly rootDse?: Attributes;
  /** Instead of, or besides, what the one account has. */
  readonly account?: Attributes;
  /** Host name of the PDC emulator. */
  readonly pdc?: string;
  readonly invocationId?: string;
  /** What these requests are answered instead; undefined for the usual answer. */
  readonly instead?: (request: LdapRequest) => LdapAnswer | undefined;
}

/** The answers of a domain with one account, Anna, for `startLdapServer`. */
export function ldapDomain(options: LdapDomainOptions = {}): (request: LdapRequest) => LdapAnswer {
  return (request) => options.instead?.(request) ?? usual(request, options);
}

function usual({ op, dn, scope }: LdapRequest, options: LdapDomainOptions): LdapAnswer {
  if (op !== 'search') return {};
  const server = 'CN=DC,CN=Servers,CN=Site';
  switch (dn.toLowerCase()) {
    case '':
      return found('', { ...rootDse(), ...options.rootDse });
    case DOMAIN_DN.toLowerCase():
      if (scope !== 0) return found(ANNA_DN, { objectGUID: [guid()] });
      return found(DOMAIN_DN, { ...DOMAIN_HEAD, fSMORoleOwner: [`CN=NTDS Settings,${server}`] });
    case `CN=NTDS Settings,${server}`.toLowerCase():
      return found(dn, { invocationId: [guid(options.invocationId ?? INVOCATION_ID)] });
    case server.toLowerCase():
      return found(server, { dNSHostName: [options.pdc ?? 'dc1.corp.test'] });
    case `<guid=${ANNA_GUID}>`:
      return found(ANNA_DN, { ...ANNA, ...options.account });
    default:
      return {
        result: 32,
        diagnostic: "0000208D: NameErr: problem 2001 (NO_OBJECT), data 0, best match of:\n\t''\n\0",
      };
  }
}

function found(dn: string, attributes: Attributes): LdapAnswer {
  return { entries: [{ dn, attributes }] };
}

function rootDse(): Attributes {
  return {
    currentTime: [`${new Date().toISOString().replaceAll(/[-:T]|\..*/g, '')}.0Z`],
    defaultNamingContext: [DOMAIN_DN],
    configurationNamingContext: [CONFIGURATION_DN],
    supportedCapabilities: ['1.2.840.113556.1.4.800'],
    supportedControl: ['1.2.840.113556.1.4.2239'],
    isSynchronized: ['TRUE'],
    dsServiceName: ['CN=NTDS Settings,CN=DC,CN=Servers,CN=Site'],
    tokenGroups: [sid(1110), sid(513)],
  };
}

const DOMAIN_HEAD: Attributes = {
  minPwdLength: ['10'],
  pwdProperties: ['1'],
  pwdHistoryLength: ['5'],
  minPwdAge: ['-864000000000'],
  lockoutThreshold: ['5'],
};

const ANNA_DN = `CN=Anna,OU=People,${DOMAIN_DN}`;

const ANNA: Attributes = {
  objectGUID: [guid()],
  objectSid: [sid(1201)],
  userAccountControl: ['512'],
  'msDS-User-Account-Control-Computed': ['0'],
  sAMAccountName: ['anna'],
  sAMAccountType: ['805306368'],
  uSNChanged: ['4711'],
  tokenGroups: [sid(513)],
  primaryGroupID: ['513'],
  pwdLastSet: ['133000000000000000'],
  lockoutTime: ['0'],
  accountExpires: ['9223372036854775807'],
};

/** A SID of the domain: S-1-5-21-1-2-3-<rid>. */
export function sid(rid: number): Buffer {
  const bytes = Buffer.from('01050000000000051500000001000000020000000300000000000000', 'hex');
  bytes.writeUInt32LE(rid, 24);
  return bytes;
}

/** PROPERTY_META_DATA_VECTOR (MS-DRSR 5.162): who wrote `unicodePwd`, the first time, and when. */
export function passwordMetadata(invocationId: string, setAt: string): Buffer {
  const bytes = Buffer.alloc(16 + 48);
  bytes.writeUInt32LE(1, 0);
  bytes.writeUInt32LE(1, 8);
  const record = bytes.subarray(16);
  record.writeUInt32LE(0x9_005a, 0);
  record.writeUInt32LE(1, 4);
  record.writeBigUInt64LE(BigInt(setAt) / 10_000_000n, 8);
  guid(invocationId).copy(record, 16);
  return bytes;
}

/** The bytes of an objectGUID: the first three groups are little-endian (MS-DTYP 2.3.4). */
export function guid(text = ANNA_GUID): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
