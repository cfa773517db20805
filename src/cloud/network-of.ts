import { isIPv6 } from 'node:net';

/**
 * What of an address one stranger has all of: an IPv4 address, or the 64 bits of an IPv6 address
 * that are a site's (RFC 4291 section 2.5.4), because whoever has one host address there has them all.
 */
export function networkOf(address = ''): string {
  // A socket that listens on IPv6 sees IPv4 like this (RFC 4291 section 2.5.5.2).
  const bare = address.replace(/^::ffff:(?=[\d.]+$)/i, '');
  return isIPv6(bare) ? groupsOf(bare).slice(0, 4).join(':') : bare;
}

/** All eight. */
function groupsOf(address: string): readonly string[] {
  const [before = [], after = []] = address
    .split('%', 1)
    .flatMap((plain) => plain.split('::'))
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after];
}
