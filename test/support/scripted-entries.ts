import { CONTROL_RIGHTS } from '../../src/agent/directory/security-descriptor.ts';
import { ALLOW_OBJECT, descriptor } from './descriptor.ts';
import { sid } from './ldap-domain.ts';
import type { LdapEntry, LdapRequest } from './ldap-messages.ts';
import type { LdapAnswer } from './ldap-server.ts';
import type { ScriptedPolicy } from './scripted-modify.ts';

export const DOMAIN_DN = 'DC=corp,DC=test';
export const CONFIGURATION_DN = `CN=Configuration,${DOMAIN_DN}`;

const FIRST_NAME = 'dc1.corp.test';
export const SERVICE_ACCOUNT_RID = 1110;
const DOMAIN_USERS = 513;

/** One controller of a scripted domain, and what is special about it. */
export interface ScriptedController {
  readonly name?: string;
  /** The PDC emulator. Default is the controller itself. */
  readonly pdc?: string;
  readonly readOnly?: boolean;
  readonly synchronized?: boolean;
  /** Default: the newer number of the control for Windows, none for Samba. */
  readonly policyHints?: readonly string[];
  /** What it claims to know, if not what it knows. */
  readonly advertised?: readonly string[];
  /** What these requests are answered instead; undefined for the usual answer. */
  readonly instead?: (request: LdapRequest) => LdapAnswer | Promise<LdapAnswer> | undefined;
}

/** The domain's own entry below `CN=Partitions`, and what a filter finds it by. */
export const CROSS_REFERENCE = {
  keys: { objectclass: 'crossref', ncname: DOMAIN_DN },
  entry: {
    dn: `CN=CORP,CN=Partitions,${CONFIGURATION_DN}`,
    attributes: { nETBIOSName: ['CORP'], dnsRoot: ['corp.test'] },
  },
} as const;

export function rootDse(
  controller: ScriptedController,
  supportedControl: readonly string[],
  nowMs: number,
): LdapEntry {
  const { readOnly = false, synchronized = true, advertised } = controller;
  const now = new Date(nowMs).toISOString().replaceAll(/[-:T]|\..*/g, '');
  return {
    dn: '',
    attributes: {
      currentTime: [`${now}.0Z`],
      defaultNamingContext: [DOMAIN_DN],
      configurationNamingContext: [CONFIGURATION_DN],
      supportedCapabilities: [
        '1.2.840.113556.1.4.800',
        ...(readOnly ? ['1.2.840.113556.1.4.1920'] : []),
      ],
      supportedControl: advertised ?? supportedControl,
      isSynchronized: [synchronized ? 'TRUE' : 'FALSE'],
      dsServiceName: [`CN=NTDS Settings,${serverDn(controller)}`],
      tokenGroups: [sid(SERVICE_ACCOUNT_RID), sid(DOMAIN_USERS)],
    },
  };
}

export function domainHead(policy: ScriptedPolicy, controller: ScriptedController): LdapEntry {
  return {
    dn: DOMAIN_DN,
    attributes: {
      minPwdLength: [String(policy.minimumLength)],
      pwdProperties: [policy.complexity ? '1' : '0'],
      pwdHistoryLength: [String(policy.historyLength)],
      minPwdAge: [interval(policy.minimumAgeSeconds)],
      lockoutThreshold: [String(policy.lockoutThreshold)],
      fSMORoleOwner: [`CN=NTDS Settings,${serverDn(controller)}`],
    },
  };
}

/** The permission that the service account has, or has not. */
export function permissions(
  right: keyof typeof CONTROL_RIGHTS,
  granted: boolean,
  { flags = 0, control }: { readonly flags?: number; readonly control?: number } = {},
): Buffer {
  const objectType = CONTROL_RIGHTS[right];
  const entry = { type: ALLOW_OBJECT, sid: sid(SERVICE_ACCOUNT_RID), objectType, flags };
  return descriptor(granted ? [entry] : [], control);
}

export const POLICIES_DN = `CN=Password Settings Container,CN=System,${DOMAIN_DN}`;

export function fineGrainedPolicy(policy: ScriptedPolicy): LdapEntry['attributes'] {
  return {
    'msDS-MinimumPasswordLength': [String(policy.minimumLength)],
    'msDS-PasswordComplexityEnabled': [policy.complexity ? 'TRUE' : 'FALSE'],
    'msDS-PasswordHistoryLength': [String(policy.historyLength)],
    'msDS-MinimumPasswordAge': [interval(policy.minimumAgeSeconds)],
    'msDS-LockoutThreshold': [String(policy.lockoutThreshold)],
  };
}

export function policyDn(name: string): string {
  return `CN=${name},${POLICIES_DN}`;
}

/** Host name of what the controller takes for the PDC emulator. */
export function pdcOf({ pdc, name = FIRST_NAME }: ScriptedController): string {
  return pdc ?? name;
}

export function serverDn({ name = FIRST_NAME }: ScriptedController): string {
  const [host] = name.split('.');
  return `CN=${host ?? ''},CN=Servers,CN=Site,CN=Sites,${CONFIGURATION_DN}`;
}

function interval(seconds: number): string {
  return String(-10_000_000n * BigInt(seconds));
}
