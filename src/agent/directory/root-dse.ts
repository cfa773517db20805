import { fromGeneralizedTime } from './generalized-time.ts';
import type { DirectoryEntry } from './entry.ts';
import { sidText } from './sid.ts';

/** LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID: a read-only controller (MS-ADTS 3.1.1.3.4.3). */
const READ_ONLY = '1.2.840.113556.1.4.1920';

/** LDAP_SERVER_POLICY_HINTS_OID and the older number of the same control (MS-ADTS 3.1.1.3.4.1.27). */
const POLICY_HINTS = ['1.2.840.113556.1.4.2239', '1.2.840.113556.1.4.2066'];

/** rootDSE attributes that have to be asked for by name (MS-ADTS 3.1.1.3.2). */
export const ROOT_DSE_ATTRIBUTES = [
  'currentTime',
  'defaultNamingContext',
  'configurationNamingContext',
  'supportedCapabilities',
  'supportedControl',
  'isSynchronized',
  'tokenGroups',
] as const;

/** What a controller says of itself and of who asks. */
export interface ControllerProfile {
  readonly domainDn: string;
  readonly configurationDn: string;
  readonly readOnly: boolean;
  /** Whether it has finished its first replication; it refuses to answer for the domain before. */
  readonly synchronized: boolean;
  readonly policyHints: boolean;
  /** Everybody the agent is to this controller: its own SID and those of its groups. */
  readonly ownSids: readonly string[];
  readonly currentTimeMs: number;
}

/** Throws `DIRECTORY_CONFIG` when what is needed is not there: then it is no domain controller. */
export function toProfile(rootDse: DirectoryEntry): ControllerProfile {
  const sids = rootDse.bytes('tokenGroups').map(sidText);
  const domainDn = rootDse.text('defaultNamingContext');
  const configurationDn = rootDse.text('configurationNamingContext');
  return {
    domainDn: rootDse.required('defaultNamingContext', domainDn),
    configurationDn: rootDse.required('configurationNamingContext', configurationDn),
    readOnly: rootDse.texts('supportedCapabilities').includes(READ_ONLY),
    synchronized: rootDse.text('isSynchronized') !== 'FALSE',
    policyHints: rootDse.texts('supportedControl').some((oid) => POLICY_HINTS.includes(oid)),
    ownSids: sids.map((sid) => rootDse.required('tokenGroups', sid)),
    currentTimeMs: toCurrentTime(rootDse),
  };
}

/** The controller's own clock, in whole seconds. */
export function toCurrentTime(rootDse: DirectoryEntry): number {
  const time = rootDse.text('currentTime');
  return rootDse.required(
    'currentTime',
    time === undefined ? undefined : fromGeneralizedTime(time),
  );
}
