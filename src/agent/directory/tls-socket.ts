import { isIP } from 'node:net';
import * as tls from 'node:tls';
import { messageOf } from '../../support/errors.ts';
import {
  presentedChain,
  shownUpwards,
  type PresentedChain,
} from '../../support/presented-chain.ts';
import { ConnectionError, type CertificateFault } from './connection-error.ts';
import { within, type Limit } from './deadline.ts';
import { requirePinned, vouchingKeys, type VouchingKey } from './pinned-keys.ts';

const KEEP_ALIVE_MS = 30_000;

/** Where a domain controller is, and the name its certificate must have. */
export interface DomainController {
  readonly name: string;
  /** Default is the name. */
  readonly address?: string;
  /** Default is 636. */
  readonly port?: number;
}

export interface TrustOptions {
  /** PEM. Nothing else is trusted when given, else what Node and the operating system trust. */
  readonly ca?: readonly string[];
  /** Digests of keys, one of which has to be in the chain, verified as it is. Empty: none has to. */
  readonly pinnedKeys?: readonly string[];
}

/** What every connection believes. */
export interface Trust {
  readonly secureContext: tls.SecureContext;
  readonly pinnedKeys: readonly string[];
}

export function trust({ ca = [], pinnedKeys = [] }: TrustOptions): Trust {
  const trusted = ca.length > 0 ? [...ca] : systemCas();
  const secureContext = tls.createSecureContext({
    minVersion: 'TLSv1.2',
    ...(trusted !== undefined && { ca: trusted }),
  });
  return { secureContext, pinnedKeys };
}

export interface Connected {
  readonly socket: tls.TLSSocket;
  /** Absent: none is pinned. */
  readonly pinned?: VouchingKey;
}

/**
 * Resolves with a socket over which nothing was said yet, once certificate, host name and, where
 * keys are pinned, one of these were found in order. Otherwise rejects with a `ConnectionError` that
 * names the cure, and leaves nothing open.
 */
export async function connectTls(
  controller: DomainController,
  { secureContext, pinnedKeys }: Trust,
  limit: Limit,
): Promise<Connected> {
  const socket = tls.connect(tlsOptions(controller, secureContext));
  let shown: Shown | undefined;
  // Ahead of Node's own listener, which judges the certificate and drops it with the connection.
  socket.prependListener('secure', () => {
    shown = shownBy(socket);
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => {
      reject(new Error('the connection was closed during the TLS handshake'));
    });
  });
  const where = `${controller.name} (${socketAddress(controller)})`;
  try {
    await within(connected, limit, (why) => new Error(why === 'timeout' ? SILENT : 'stopped'));
    if (pinnedKeys.length === 0) return { socket };
    const keys = vouchingKeys(shownUpwards(socket), limit.clock.now());
    return { socket, pinned: requirePinned(where, keys, pinnedKeys) };
  } catch (error) {
    // Whatever a dying socket still says was said already.
    socket.on('error', () => undefined);
    socket.destroy();
    throw error instanceof ConnectionError ? error : explain(error, { where, ms: limit.ms, shown });
  }
}

/** The certificate that a controller has shown, before anybody believes it. */
interface Shown extends PresentedChain {
  readonly validFrom: string;
}

function shownBy(socket: tls.TLSSocket): Shown | undefined {
  const chain = presentedChain(socket);
  if (chain === undefined) return undefined;
  return { ...chain, validFrom: socket.getPeerCertificate().valid_from };
}

const SILENT = 'silent';

function tlsOptions(
  { name, address, port }: DomainController,
  secureContext: tls.SecureContext,
): tls.ConnectionOptions {
  return {
    host: address ?? name,
    port: port ?? 636,
    // No session of an earlier connection: one that is resumed shows no chain to find a pinned key in.
    secureContext,
    // RFC 6066 section 3: an address is no server name.
    ...(isIP(name) === 0 && { servername: name }),
    checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
  };
}

/** Newer Nodes can read the store of the operating system, where a company's own CA usually is. */
function systemCas(): string[] | undefined {
  const read: unknown = Reflect.get(tls, 'getCACertificates');
  if (typeof read !== 'function') return undefined;
  return ['default', 'system'].flatMap((store) => (read as (store: string) => string[])(store));
}

function socketAddress({ name, address, port }: DomainController): string {
  return `${address ?? name}:${port ?? 636}`;
}

const UNTRUSTED = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]);

const UNREACHED: Readonly<Partial<Record<string, string>>> = {
  ECONNREFUSED:
    'nothing listens there (ECONNREFUSED): check the address, the port (LDAPS, usually 636) and the firewall',
};

const OTHER_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';
const EXPIRED = 'CERT_HAS_EXPIRED';
const TOO_EARLY = 'CERT_NOT_YET_VALID';

interface Attempt {
  readonly where: string;
  readonly ms: number;
  readonly shown: Shown | undefined;
}

function explain(cause: unknown, attempt: Attempt): ConnectionError {
  const { where, ms } = attempt;
  const code =
    cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const sentence = tlsSentence(code, attempt, messageOf(cause));
  if (sentence !== undefined) {
    const certificate = certificateFault(code, attempt);
    return new ConnectionError('tls', sentence, { cause, ...(certificate && { certificate }) });
  }
  const message = messageOf(cause);
  const why = message === SILENT ? `no answer within ${ms} ms` : (UNREACHED[code] ?? message);
  return new ConnectionError('connect', `${where}: ${why}`, { cause });
}

function certificateFault(code: string, { shown }: Attempt): CertificateFault | undefined {
  if (UNTRUSTED.has(code)) return 'untrusted';
  if (code === EXPIRED) return shown?.firstToEnd.isOfCa === true ? 'ca-expired' : 'expired';
  if (code === TOO_EARLY) return 'too-early';
  return code === OTHER_NAME ? 'other-name' : undefined;
}

function tlsSentence(code: string, { where, shown }: Attempt, message: string): string | undefined {
  if (UNTRUSTED.has(code)) {
    return `the certificate of ${where} is not signed by a trusted CA (${code})${issuerIn(shown)}: give the PEM file of the CA that issued it in directory.caFile`;
  }
  if (code === OTHER_NAME) {
    return `the certificate of ${where} is for another name: configure the domain controller by a name in its certificate. ${message}`;
  }
  if (code === EXPIRED) return expiredIn(where, shown);
  if (code === TOO_EARLY) {
    return `the certificate of ${where} is not valid yet${shown === undefined ? '' : ` (from ${shown.validFrom} on)`}: compare the clocks of this machine and the domain controller`;
  }
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') {
    return `${where} does not speak TLS 1.2 or newer there: give the LDAPS port, usually 636`;
  }
  return undefined;
}

function expiredIn(where: string, shown: Shown | undefined): string {
  const { subject = '', at, isOfCa } = shown?.firstToEnd ?? {};
  const when = at === undefined ? '' : ` on ${at}`;
  return isOfCa === true
    ? `the certificate of the CA "${subject}", above that of ${where}, has expired${when}: renew it at the CA`
    : `the certificate of ${where} has expired${when}: renew it on the domain controller`;
}

/** Which CA is missing: by name, and by what whoever runs it can confirm. */
function issuerIn(shown: Shown | undefined): string {
  if (shown === undefined) return '';
  const { issuer, topIssuer, topFingerprint } = shown;
  const under = topIssuer === issuer ? '' : ` under "${topIssuer}"`;
  return `; it was issued by "${issuer}"${under}, SHA-256 of the topmost certificate shown ${topFingerprint}`;
}
