import { ResultCodeError } from 'ldapts';
import type { EffectivePolicy } from '../../protocol/account.ts';
import { ACCOUNT_ATTRIBUTES, BINARY_ATTRIBUTES } from './account-reading.ts';
import {
  domainNameFilter,
  nameFilter,
  ordinaryAccountFilter,
  parseName,
  type ParsedName,
} from './account-lookup.ts';
import { toDirectoryError, type Asked } from './ad-errors.ts';
import { DirectoryError } from './directory.ts';
import { DirectoryEntry } from './entry.ts';
import { guidDn, guidText } from './guid.ts';
import { SdFlagsControl } from './sd-flags.ts';
import { sidText } from './sid.ts';
import type { LdapConnection, Search } from './ldap-connection.ts';
import {
  DOMAIN_POLICY_ATTRIBUTES,
  domainPolicy,
  FINE_GRAINED_POLICY_ATTRIBUTES,
  fineGrainedPolicy,
  UNREADABLE_POLICY,
} from './password-policy.ts';
import {
  ROOT_DSE_ATTRIBUTES,
  toCurrentTime,
  toProfile,
  type ControllerProfile,
} from './root-dse.ts';

/** Whom to ask, and for how long. Every query rejects with a `DirectoryError` or a `ConnectionError`. */
export interface Asking {
  readonly connection: LdapConnection;
  readonly controller: string;
  readonly ms: number;
  readonly signal: AbortSignal;
}

export interface DomainFacts {
  readonly policy: EffectivePolicy;
  /** DN of the settings object of the PDC emulator. */
  readonly pdcSettingsDn: string | undefined;
}

export async function readProfile(asking: Asking): Promise<ControllerProfile> {
  const rootDse = await one(asking, '', {
    attributes: [...ROOT_DSE_ATTRIBUTES],
    explicitBufferAttributes: ['tokenGroups'],
  });
  return toProfile(rootDse);
}

/** Which life of its database a controller is in; undefined when the service account may not see it. */
export async function readInvocationId(
  asking: Asking,
  { settingsDn }: ControllerProfile,
): Promise<string | undefined> {
  if (settingsDn === undefined) return undefined;
  const options = { attributes: ['invocationId'], explicitBufferAttributes: ['invocationId'] };
  try {
    const [id] = (await one(asking, settingsDn, options)).bytes('invocationId');
    return id && guidText(id);
  } catch (error) {
    if (error instanceof DirectoryError && error.code === 'DIRECTORY_CONFIG') return undefined;
    throw error;
  }
}

export async function readCurrentTime(asking: Asking): Promise<number> {
  return toCurrentTime(await one(asking, '', { attributes: ['currentTime'] }));
}

export async function readDomain(asking: Asking, domainDn: string): Promise<DomainFacts> {
  const attributes = [...DOMAIN_POLICY_ATTRIBUTES, 'fSMORoleOwner'];
  const head = await one(asking, domainDn, { attributes });
  return { policy: domainPolicy(head), pdcSettingsDn: head.text('fSMORoleOwner') };
}

/** The host name of the controller that has these settings; undefined when it is hidden. */
export async function readHostName(
  asking: Asking,
  settingsDn: string,
): Promise<string | undefined> {
  // The server object is the parent of `CN=NTDS Settings` (MS-ADTS 6.1.1.2.2.1.2.1.1).
  const serverDn = settingsDn.slice(settingsDn.indexOf(',') + 1);
  return (await one(asking, serverDn, { attributes: ['dNSHostName'] })).text('dNSHostName');
}

/** The names, in lower case, by which the domain goes in front of a backslash. */
export async function readDomainNames(
  asking: Asking,
  { configurationDn, domainDn }: ControllerProfile,
): Promise<readonly string[]> {
  const found = await search(asking, `CN=Partitions,${configurationDn}`, 'domain', {
    scope: 'one',
    filter: domainNameFilter(domainDn),
    attributes: ['nETBIOSName', 'dnsRoot'],
  });
  return found
    .flatMap((entry) => [...entry.texts('nETBIOSName'), ...entry.texts('dnsRoot')])
    .map((name) => name.toLowerCase());
}

/** The values of a fine-grained policy; unreadable, as they are by default, is a value and no error. */
export async function readFineGrainedPolicy(asking: Asking, dn: string): Promise<EffectivePolicy> {
  try {
    const attributes = [...FINE_GRAINED_POLICY_ATTRIBUTES];
    return fineGrainedPolicy(await one(asking, dn, { attributes }));
  } catch (error) {
    if (error instanceof DirectoryError) return UNREADABLE_POLICY;
    throw error;
  }
}

export async function readAccount(asking: Asking, objectGuid: string): Promise<DirectoryEntry> {
  const found = await search(asking, guidDn(objectGuid), 'account', {
    scope: 'base',
    attributes: [...ACCOUNT_ATTRIBUTES],
    explicitBufferAttributes: [...BINARY_ATTRIBUTES],
  });
  return found[0] ?? notFound(asking.controller);
}

export async function readPwdLastSet(
  asking: Asking,
  objectGuid: string,
): Promise<string | undefined> {
  const attributes = ['pwdLastSet'];
  const found = await search(asking, guidDn(objectGuid), 'account', { scope: 'base', attributes });
  return found[0]?.int64('pwdLastSet');
}

/** The objectGUID of the one account with this name. */
export async function findAccount(
  asking: Asking,
  name: string,
  domain: { readonly dn: string; readonly names: () => Promise<readonly string[]> },
): Promise<string> {
  const parsed = parseName(name);
  if (!(await belongs(parsed, domain.names))) return notFound(asking.controller);
  const [entry, second] = await search(asking, domain.dn, 'domain', {
    scope: 'sub',
    filter: nameFilter(parsed, domain.dn),
    attributes: ['objectGUID'],
    explicitBufferAttributes: ['objectGUID'],
    sizeLimit: 2,
  });
  if (entry === undefined) return notFound(asking.controller);
  if (second !== undefined) {
    const { controller } = asking;
    throw new DirectoryError('ACCOUNT_AMBIGUOUS', 'two accounts have this name', { controller });
  }
  const [guid] = entry.bytes('objectGUID');
  return entry.required('objectGUID', guid && guidText(guid));
}

/** So many are looked at for one that is not the agent's own. */
const SAMPLES = 3;

const PERMISSIONS = {
  attributes: ['nTSecurityDescriptor'],
  explicitBufferAttributes: ['nTSecurityDescriptor'],
};

/**
 * An ordinary account below a base DN that is none of `own`, with what the service account may do
 * to it; undefined when there is none.
 */
export async function readSample(
  asking: Asking,
  baseDn: string,
  own: ReadonlySet<string>,
): Promise<DirectoryEntry | undefined> {
  const candidates = await search(asking, baseDn, 'account', {
    scope: 'sub',
    filter: ordinaryAccountFilter(),
    attributes: ['objectGUID', 'objectSid'],
    explicitBufferAttributes: ['objectGUID', 'objectSid'],
    sizeLimit: SAMPLES,
  });
  const sample = candidates.find((entry) => {
    const [sid] = entry.bytes('objectSid');
    return sid !== undefined && !own.has(sidText(sid) ?? '');
  });
  if (sample === undefined) return undefined;
  const [guid] = sample.bytes('objectGUID');
  const objectGuid = sample.required('objectGUID', guid && guidText(guid));
  // What is computed for who asks is made in a base search only.
  return one(asking, guidDn(objectGuid), {
    attributes: ['allowedAttributesEffective', ...PERMISSIONS.attributes],
    explicitBufferAttributes: PERMISSIONS.explicitBufferAttributes,
    controls: [new SdFlagsControl()],
  });
}

/** The permissions on one object. */
export function readPermissions(asking: Asking, dn: string): Promise<DirectoryEntry> {
  return one(asking, dn, { ...PERMISSIONS, controls: [new SdFlagsControl()] });
}

/** How long the password of the account lasts that the agent binds as. */
export async function readOwnExpiry(
  asking: Asking,
  user: string,
  domainDn: string,
): Promise<DirectoryEntry> {
  const isName = !user.includes('=');
  const names = (): Promise<readonly string[]> => Promise.resolve([]); // never DOMAIN\user
  const dn = isName ? guidDn(await findAccount(asking, user, { dn: domainDn, names })) : user;
  return one(asking, dn, { attributes: ['msDS-UserPasswordExpiryTimeComputed'] });
}

async function belongs(
  parsed: ParsedName,
  names: () => Promise<readonly string[]>,
): Promise<boolean> {
  return !('domain' in parsed) || (await names()).includes(parsed.domain.toLowerCase());
}

function notFound(controller: string): never {
  throw new DirectoryError('ACCOUNT_NOT_FOUND', `${controller}: there is no such account`, {
    controller,
  });
}

/** The object itself; `DIRECTORY_CONFIG` when it is not shown. */
export async function one(asking: Asking, base: string, options: Search): Promise<DirectoryEntry> {
  const [entry] = await search(asking, base, 'domain', { ...options, scope: 'base' });
  if (entry !== undefined) return entry;
  const { controller } = asking;
  throw new DirectoryError(
    'DIRECTORY_CONFIG',
    `${controller} does not show ${base === '' ? 'its rootDSE' : base}: let the service account read it`,
    { controller },
  );
}

export async function search(
  asking: Asking,
  base: string,
  asked: Asked,
  options: Search,
): Promise<readonly DirectoryEntry[]> {
  const { connection, controller, ms, signal } = asking;
  try {
    const found = await connection.search(base, options, { ms, signal });
    return found.map((entry) => new DirectoryEntry(entry, controller));
  } catch (error) {
    if (error instanceof ResultCodeError) throw refusalOn(asking, error, asked);
    throw error;
  }
}

/** The error that an answer is. A connection that lost its bind, or a server that has no time, is left. */
export function refusalOn(
  { connection, controller }: Asking,
  error: ResultCodeError,
  asked: Asked,
): DirectoryError {
  const refusal = toDirectoryError(error, asked, controller);
  if (refusal.code === 'DIRECTORY_BUSY') connection.destroy(refusal.message);
  return refusal;
}
