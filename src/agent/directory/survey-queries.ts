import {
  fineGrainedPolicyFilter,
  ordinaryAccountFilter,
  protectedAccountFilter,
} from './account-lookup.ts';
import { DirectoryError } from './directory.ts';
import type { DirectoryEntry } from './entry.ts';
import { guidDn } from './guid.ts';
import {
  findAccount,
  one,
  readDomainNames,
  readFineGrainedPolicy,
  readPermissions,
  readSample,
  search,
  type Asking,
} from './queries.ts';
import type { ControllerProfile } from './root-dse.ts';
import {
  accessList,
  CONTROL_RIGHTS,
  givesControlRight,
  isProtectedFromAbove,
} from './security-descriptor.ts';
import { sidText } from './sid.ts';

/** More names than these help nobody. */
const MAX_PROTECTED = 1_000;

/** So many accounts of each unit are asked which policy applies to them. */
const SAMPLES = 50;

/** The agent's own account, as commands that delegate rights to it need to name it. */
export interface OwnAccount {
  readonly sid?: string;
  readonly samAccountName?: string;
}

/** Never rejects for what the directory does not show. */
export async function readOwnAccount(
  asking: Asking,
  user: string,
  profile: ControllerProfile,
): Promise<OwnAccount> {
  const names = (): Promise<readonly string[]> => readDomainNames(asking, profile);
  const entry = await shownOrNot(async () => {
    const isDn = user.includes('=');
    const dn = isDn
      ? user
      : guidDn(await findAccount(asking, user, { dn: profile.domainDn, names }));
    const attributes = ['objectSid', 'sAMAccountName'];
    return one(asking, dn, { attributes, explicitBufferAttributes: ['objectSid'] });
  });
  const [bytes] = entry?.bytes('objectSid') ?? [];
  const sid = bytes && sidText(bytes);
  const samAccountName = entry?.text('sAMAccountName');
  return {
    ...(sid !== undefined && { sid }),
    ...(samAccountName !== undefined && { samAccountName }),
  };
}

/** sAMAccountNames of the protected accounts below a unit; undefined when it is not there to be seen. */
export async function readProtectedAccounts(
  asking: Asking,
  baseDn: string,
): Promise<readonly string[] | undefined> {
  const found = await shownOrNot(() =>
    search(asking, baseDn, 'account', {
      scope: 'sub',
      filter: protectedAccountFilter(),
      attributes: ['sAMAccountName'],
      sizeLimit: MAX_PROTECTED,
    }),
  );
  return found?.map((entry) => entry.text('sAMAccountName') ?? entry.dn);
}

export interface PolicyView {
  /** Whether the container of fine-grained policies can be looked into. */
  readonly container: 'readable' | 'hidden';
  /** Names of policies whose values can be read. */
  readonly readable: readonly string[];
  /** Names of policies that are there, or apply to somebody in scope, and whose values are hidden. */
  readonly hidden: readonly string[];
}

/** Which fine-grained policies there are, and whether their values can be read. */
export async function readPolicyView(
  asking: Asking,
  { domainDn }: ControllerProfile,
  baseDns: readonly string[],
): Promise<PolicyView> {
  const container = `CN=Password Settings Container,CN=System,${domainDn}`;
  // Whoever may not read the container may still see that it is there: then it shows no name.
  const head = await shownOrNot(() => one(asking, container, { attributes: ['cn'] }));
  const listed = await shownOrNot(() =>
    search(asking, container, 'domain', {
      scope: 'one',
      filter: fineGrainedPolicyFilter(),
      attributes: ['cn'],
    }),
  );
  const inUse: string[] = [];
  for (const baseDn of baseDns) inUse.push(...(await policiesBelow(asking, baseDn)));
  const dns = new Map(
    [...(listed ?? []).map(({ dn }) => dn), ...inUse].map((dn) => [fold(dn), dn]),
  );
  const readable: string[] = [];
  const hidden: string[] = [];
  for (const dn of dns.values()) {
    const { source } = await readFineGrainedPolicy(asking, dn);
    (source === 'unreadable' ? hidden : readable).push(commonName(dn));
  }
  const isOpen = readable.length > 0 || head?.has('cn') === true;
  return { container: isOpen ? 'readable' : 'hidden', readable, hidden };
}

async function policiesBelow(asking: Asking, baseDn: string): Promise<readonly string[]> {
  const sampled = await shownOrNot(() =>
    search(asking, baseDn, 'account', {
      scope: 'sub',
      filter: ordinaryAccountFilter(),
      attributes: ['msDS-ResultantPSO'],
      sizeLimit: SAMPLES,
    }),
  );
  return (sampled ?? []).flatMap((entry) => entry.texts('msDS-ResultantPSO'));
}

/**
 * Why accounts below a unit do not have a right although somebody has given it: to the unit itself and not
 * to what is below (`not-inherited`), or to a unit with something below that takes over nothing (`cut-off`).
 */
export type NotInherited =
  | { readonly why: 'not-inherited' }
  /** `at`: DN of what takes over nothing, an account or a unit. */
  | { readonly why: 'cut-off'; readonly at: string };

export async function whyNotInherited(
  asking: Asking,
  baseDn: string,
  sids: ReadonlySet<string>,
): Promise<NotInherited | undefined> {
  const unit = await shownOrNot(() => readPermissions(asking, baseDn));
  const sample = await shownOrNot(() => readSample(asking, baseDn, sids));
  const at = sample && (await cutOffAt(asking, sample, unit?.dn ?? baseDn));
  if (at !== undefined) return { why: 'cut-off', at };
  const [ofUnit] = unit?.bytes('nTSecurityDescriptor') ?? [];
  const given = (ofUnit === undefined ? undefined : accessList(ofUnit))?.filter((entry) =>
    givesControlRight(entry, CONTROL_RIGHTS.resetPassword, sids),
  );
  if (given === undefined || given.length === 0) return undefined;
  return given.some(({ inheritable }) => inheritable) ? undefined : { why: 'not-inherited' };
}

/** The nearest to an account, itself included, that takes over nothing; undefined: it has all from the unit. */
async function cutOffAt(
  asking: Asking,
  account: DirectoryEntry,
  unitDn: string,
): Promise<string | undefined> {
  let below: DirectoryEntry | undefined = account;
  while (below !== undefined) {
    const [permissions] = below.bytes('nTSecurityDescriptor');
    if (permissions !== undefined && isProtectedFromAbove(permissions)) return below.dn;
    const above = parentOf(below.dn);
    if (!fold(above).endsWith(`,${fold(unitDn)}`)) return undefined;
    below = await shownOrNot(() => readPermissions(asking, above));
  }
  return undefined;
}

/** What the directory refuses to show is undefined; what did not answer at all rejects. */
async function shownOrNot<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof DirectoryError && !error.retryable) return undefined;
    throw error;
  }
}

function fold(dn: string): string {
  return dn.toLowerCase();
}

/** Empty for what has nothing above it. */
function parentOf(dn: string): string {
  return /^(?:\\.|[^,\\])*,(.*)$/.exec(dn)?.[1] ?? '';
}

/** The first name in a DN, without its type. */
function commonName(dn: string): string {
  return /^[^=]+=((?:\\.|[^,\\])*)/.exec(dn)?.[1] ?? dn;
}
