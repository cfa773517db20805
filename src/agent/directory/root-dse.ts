import { fromGeneralizedTime } from './generalized-time.ts';
import type { DirectoryEntry } from './entry.ts';
import { POLICY_HINTS_OIDS } from './policy-hints.ts';
import { sidText } from './sid.ts';

/** LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID: a read-only controller (MS-ADTS 3.1.1.3.4.3). */
const READ_ONLY = '1.2.840.113556.1.4.1920';

/** rootDSE attributes that have to be asked for by name (MS-ADTS 3.1.1.3.2). */
export const ROOT_DSE_ATTRIBUTES = [
  'currentTime',
  'defaultNamingContext',
  'configurationNamingContext',
  'supportedCapabilities',
  'supportedControl',
  'isSynchronized',
  'dsServiceName',
  'tokenGroups',
] as const;

/** What a controller says of itself and of who asks. */
export interface ControllerProfile {
  readonly domainDn: string;
  readonly configurationDn: string;
  readonly readOnly: boolean;
  /** Whether it has finished its first replication; it refuses to answer for the domain before. */
  readonly synchronized: boolean;
  /** The policy-hints control that it knows: the newer number of it when it knows both. */
  readonly policyHints: string | undefined;
  /** DN of its own NTDS Settings object (MS-ADTS 3.1.1.3.2.11). */
  readonly settingsDn: string | undefined;
  /** Everybody the agent is to this controller: its own SID and those of its groups. */
  readonly ownSids: readonly string[];
  readonly currentTimeMs: number;
}

/** Throws `DIRECTORY_CONFIG` when what is needed is not there: then it is no domain controller. */
export function toProfile(rootDse: DirectoryEntry): ControllerProfile {
  const controls = rootDse.texts('supportedControl');
  const domainDn = rootDse.text('defaultNamingContext');
  const configurationDn = rootDse.text('configurationNamingContext');
  return {
    domainDn: rootDse.required('defaultNamingContext', domainDn),
    configurationDn: rootDse.required('configurationNamingContext', configurationDn),
    readOnly: rootDse.texts('supportedCapabilities').includes(READ_ONLY),
    synchronized: rootDse.text('isSynchronized') !== 'FALSE',
    policyHints: POLICY_HINTS_OIDS.find((oid) => controls.includes(oid)),
    settingsDn: rootDse.text('dsServiceName'),
    ownSids: ownSids(rootDse),
    currentTimeMs: toCurrentTime(rootDse),
  };
}

/** Whoever is bound has at least its own: without them its account would look like anybody's. */
function ownSids(rootDse: DirectoryEntry): readonly string[] {
  const sids = rootDse.bytes('tokenGroups').map(sidText);
  if (sids.length === 0) throw rootDse.unreadable('tokenGroups');
  return sids.map((sid) => rootDse.required('tokenGroups', sid));
}

/** The controller's own clock, in whole seconds. */
export function toCurrentTime(rootDse: DirectoryEntry): number {
  const time = rootDse.text('currentTime');
  return rootDse.required(
    'currentTime',
    time === undefined ? undefined : fromGeneralizedTime(time),
  );
}
