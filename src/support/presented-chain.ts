import type { Certificate, DetailedPeerCertificate, TLSSocket } from 'node:tls';

/** Who signed what the other side has shown, before anybody believes it. */
export interface PresentedChain {
  /** Distinguished name of who signed the server's certificate. */
  readonly issuer: string;
  /** Of who signed the topmost certificate shown: what is missing where nobody trusts the chain. */
  readonly topIssuer: string;
  /** SHA-256 of the topmost certificate shown. */
  readonly topFingerprint: string;
  /** The one that ends first, which is the one that has expired where one has. */
  readonly firstToEnd: Ending;
}

interface Ending {
  /** Distinguished name of whose it is. */
  readonly subject: string;
  /** As Node shows it. */
  readonly at: string;
  /** It belongs to a CA above the server. */
  readonly isOfCa: boolean;
}

/** Undefined when nothing was shown. Leaves what Node judges the certificate by as it is. */
export function presentedChain(socket: TLSSocket): PresentedChain | undefined {
  const chain = shownUpwards(socket);
  const [leaf] = chain;
  if (leaf?.issuer === undefined) return undefined;
  const top = chain.at(-1) ?? leaf;
  return {
    issuer: nameOf(leaf.issuer),
    topIssuer: nameOf(top.issuer ?? leaf.issuer),
    topFingerprint: top.fingerprint256 ?? 'unknown',
    firstToEnd: firstToEnd(chain),
  };
}

/** More certificates than any honest chain has. */
const LONGEST_CHAIN = 16;

/** As Node gives it, which promises more than it always keeps. */
export type ShownCertificate = Partial<DetailedPeerCertificate>;

/**
 * The server's certificate and what is above it by name: shown by the server, the last one maybe
 * among those trusted here. No signature was looked at. Empty when nothing was shown.
 */
export function shownUpwards(socket: TLSSocket): readonly ShownCertificate[] {
  // Not getPeerX509Certificate(): in Node 20 the check of the host name fails after it.
  const leaf = socket.getPeerCertificate(true) as ShownCertificate | null;
  if (leaf?.raw === undefined) return [];
  const chain = [leaf];
  let top: ShownCertificate = leaf;
  while (chain.length < LONGEST_CHAIN) {
    const above: ShownCertificate | undefined = top.issuerCertificate;
    if (above === undefined || above.fingerprint256 === top.fingerprint256) break;
    chain.push(above);
    top = above;
  }
  return chain;
}

function firstToEnd(chain: readonly ShownCertificate[]): Ending {
  const endings = chain.map(({ subject, valid_to: at = 'an unknown date' }, i) => ({
    ...{ subject: nameOf(subject), at, isOfCa: i > 0 },
  }));
  return endings.reduce((first, one) => (Date.parse(one.at) < Date.parse(first.at) ? one : first));
}

/** `CN=…, O=…` on one line; whoever made the certificate chose every character of it. */
export function nameOf(who: Certificate | undefined): string {
  if (who === undefined) return 'nobody';
  const name = Object.entries(who)
    .toReversed()
    .flatMap(([type, value]: [string, unknown]) =>
      [value].flat().map((one) => `${type}=${String(one)}`),
    )
    .join(', ')
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
  return name.length <= 160 ? name : `${name.slice(0, 160)}…`;
}

/** Makers and kinds of what opens TLS on its way out of a company, as their own CAs are called. */
const INSPECTORS =
  /zscaler|netskope|forti(net|gate)|palo ?alto|blue ?coat|symantec web|forcepoint|websense|sophos|check ?point|umbrella|ironport|skyhigh|mcafee web|barracuda|watchguard|sonicwall|iboss|cato networks|untangle|smoothwall|clearswift|trend ?micro|kaspersky|\beset\b|bitdefender|avast|squid|mitmproxy|\b(web|tls|ssl|https)[ -]?(proxy|gateway|inspection|inspector|interception|decryption|filter)|\bproxy\b|inspect|firewall/i;

/** Whether that is the name of something that opens TLS to read it. */
export function looksLikeInspection({ issuer, topIssuer }: PresentedChain): boolean {
  return INSPECTORS.test(issuer) || INSPECTORS.test(topIssuer);
}
