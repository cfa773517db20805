import type { SrvRecord } from 'node:dns';
import { messageOf } from '../../support/errors.ts';
import { DirectoryError } from './directory.ts';

/** DNS, as far as it is needed; `Resolver` of `node:dns/promises` is one. */
export interface SrvResolver {
  resolveSrv(name: string): Promise<SrvRecord[]>;
}

export interface SrvDomain {
  /** DNS name of the domain. */
  readonly domain: string;
  /** The Active Directory site whose controllers come first. */
  readonly site?: string;
  readonly resolver: SrvResolver;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface FoundControllers {
  /** Host names, those to be asked first in front. Never empty. */
  readonly names: readonly [string, ...string[]];
  /** Host name of the PDC emulator. */
  readonly pdc: string | undefined;
  /** What an admin should know although controllers were found. */
  readonly problems: readonly string[];
}

/** More are not needed to survive any failure, and every one is asked how it is each minute. */
const MAX_CONTROLLERS = 16;

/**
 * Asks DNS for the controllers of a domain (MS-ADTS 6.3.2.3): those of the site first, then all,
 * each group in the order of RFC 2782. Rejects with a `DirectoryError` that names the cure.
 */
export async function findControllers(options: SrvDomain): Promise<FoundControllers> {
  const { domain, site, random } = options;
  const locator = `dc._msdcs.${domain}`;
  const [ofSite, ofDomain, ofPdc] = await Promise.all([
    site === undefined ? NOTHING : ask(options, `_ldap._tcp.${site}._sites.${locator}`),
    ask(options, `_ldap._tcp.${locator}`),
    ask(options, `_ldap._tcp.pdc._msdcs.${domain}`),
  ]);
  const ordered = [...inOrder(ofSite.records, random), ...inOrder(ofDomain.records, random)];
  const [pdc] = namesIn(domain, ofPdc.records.map(hostName)).inside;
  const all = [...ordered.map(hostName), ...(pdc === undefined ? [] : [pdc])];
  const { inside, outside } = namesIn(domain, all);
  const [first, ...others] = inside;
  const problems = [
    ...(ofSite.error === undefined ? [] : [explain(domain, ofSite)]),
    ...(outside.length === 0 ? [] : [foreign(domain, outside)]),
  ];
  if (first === undefined) throw nothingFound(domain, { ofDomain, problems });
  return { names: withPdc([first, ...others], pdc), pdc, problems };
}

interface Answer {
  readonly asked: string;
  readonly records: readonly SrvRecord[];
  readonly error?: unknown;
}

const NOTHING: Answer = { asked: '', records: [] };

async function ask({ resolver }: SrvDomain, asked: string): Promise<Answer> {
  try {
    return { asked, records: await resolver.resolveSrv(asked) };
  } catch (error) {
    return { asked, records: [], error };
  }
}

/** Lower priority first, and by chance but weighted among equals (RFC 2782). */
function inOrder(records: readonly SrvRecord[], random: () => number): readonly SrvRecord[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  return priorities.flatMap((priority) =>
    byWeight(
      records.filter((record) => record.priority === priority),
      random,
    ),
  );
}

function byWeight(records: readonly SrvRecord[], random: () => number): readonly SrvRecord[] {
  // Those of weight 0 in front, so that they keep a small chance.
  const left = records.toSorted((a, b) => Number(a.weight > 0) - Number(b.weight > 0));
  const ordered: SrvRecord[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0);
    let rest = Math.floor(random() * (total + 1));
    const at = left.findIndex(({ weight }) => (rest -= weight) <= 0);
    ordered.push(...left.splice(at, 1));
  }
  return ordered;
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/;

function hostName({ name }: SrvRecord): string {
  return name.replace(/\.$/, '').toLowerCase();
}

/**
 * Each name once. DNS is not signed: whoever forges an answer may name a host of their own, with a
 * certificate that a public CA has rightly given them. What is called as the domain is, they have not.
 */
function namesIn(domain: string, names: readonly string[]) {
  const isInside = (name: string): boolean => name.endsWith(`.${domain.toLowerCase()}`);
  const unique = [...new Set(names)].filter((name) => HOST_NAME.test(name));
  return {
    inside: unique.filter(isInside),
    outside: unique.filter((name) => !isInside(name)),
  };
}

function withPdc(names: readonly [string, ...string[]], pdc: string | undefined) {
  const [first, ...others] = names;
  const kept = others.slice(0, MAX_CONTROLLERS - 1);
  if (pdc === undefined || pdc === first || kept.includes(pdc)) return [first, ...kept] as const;
  return [first, ...kept.slice(0, MAX_CONTROLLERS - 2), pdc] as const;
}

function foreign(domain: string, names: readonly string[]): string {
  return `DNS names ${names.slice(0, 3).join(', ')} as a domain controller, which is not below ${domain}: list it in directory.domainControllers if it is one`;
}

function nothingFound(
  domain: string,
  { ofDomain, problems }: { ofDomain: Answer; problems: readonly string[] },
): DirectoryError {
  const message = [...new Set([explain(domain, ofDomain), ...problems])].join('; ');
  // A name that is not there needs a person; a server that does not answer may do so in a moment.
  const code = isMissing(ofDomain) ? 'DIRECTORY_CONFIG' : 'DIRECTORY_UNREACHABLE';
  return new DirectoryError(code, message, { cause: ofDomain.error });
}

function isMissing({ error }: Answer): boolean {
  const code = codeOf(error);
  return code === undefined || code === 'ENOTFOUND' || code === 'ENODATA';
}

function codeOf(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  return (error as NodeJS.ErrnoException).code ?? '';
}

function explain(domain: string, { asked, error }: Answer): string {
  switch (codeOf(error)) {
    case undefined:
      return `DNS has no usable host in ${asked}`;
    case 'ENOTFOUND':
    case 'ENODATA':
      return `DNS has no ${asked}: correct directory.domain or directory.site, let this machine ask the DNS servers of ${domain}, or list directory.domainControllers`;
    case 'ETIMEOUT':
    case 'ECONNREFUSED':
      return `no DNS server answers for ${asked}: let this machine ask the DNS servers of ${domain}`;
    case 'ESERVFAIL':
      return `the DNS server cannot look up ${asked} now (SERVFAIL)`;
    default:
      return `DNS does not answer for ${asked}: ${messageOf(error)}`;
  }
}
