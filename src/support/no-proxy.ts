import { BlockList, isIP, isIPv6 } from 'node:net';

/** Where somebody wants to go; an IPv6 address without brackets. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

interface Entry extends Partial<HostAndPort> {
  readonly host: string;
}

/**
 * Whether a list of exceptions, read as Go and curl read NO_PROXY, names this host: `*` everything,
 * `example.com` that host and all below it, `.example.com` (or `*.example.com`) only those below it,
 * an IP address or a network such as `10.0.0.0/8` what was written as an address; each but `*` and a
 * network may end with `:port`. Names are not resolved.
 */
export function isExempt({ host, port }: HostAndPort, noProxy: readonly string[]): boolean {
  return noProxy.some((text) => {
    if (text === '*') return true;
    if (text.includes('/')) return isWithin(host, text);
    const entry = entryOf(text);
    return (entry.port === undefined || entry.port === port) && covers(entry.host, host);
  });
}

/** What is wrong with one exception, or undefined. */
export function noProxyProblem(text: string): string | undefined {
  if (text === '*') return undefined;
  const isGood = text.includes('/') ? networkOf(text) !== undefined : isEntry(text);
  return isGood ? undefined : 'is no host name, address, network or `*`';
}

const PORT = /^(.*):(\d{1,5})$/s;
const NAME = /^(\*?\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i;

function entryOf(text: string): Entry {
  // Only in brackets can an IPv6 address have a port.
  const [, name, port] = isIPv6(text) ? [] : (PORT.exec(text) ?? []);
  const host = normal(name ?? text);
  return port === undefined ? { host } : { host, port: Number(port) };
}

function isEntry(text: string): boolean {
  const { host, port = 443 } = entryOf(text);
  return (isIP(host) !== 0 || NAME.test(host)) && port > 0 && port <= 65_535;
}

function covers(entry: string, host: string): boolean {
  const name = normal(host);
  if (isIP(entry) !== 0) return isIP(name) !== 0 && isSameAddress(entry, name);
  const suffix = entry.replace(/^\*?\./, '');
  if (name === suffix) return suffix === entry;
  return name.endsWith(`.${suffix}`) && isIP(name) === 0;
}

/** Without brackets, without the dot at the end that a full name may have, in small letters. */
function normal(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

function isSameAddress(one: string, other: string): boolean {
  const list = new BlockList();
  list.addAddress(one, family(one));
  return list.check(other, family(other));
}

function isWithin(host: string, network: string): boolean {
  const name = normal(host);
  return isIP(name) !== 0 && networkOf(network)?.check(name, family(name)) === true;
}

function networkOf(text: string): BlockList | undefined {
  const [address = '', prefix = '', ...rest] = text.split('/');
  const bits = isIPv6(address) ? 128 : 32;
  if (isIP(address) === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) return undefined;
  if (rest.length > 0) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), family(address));
  return list;
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
