import { isIP, connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { ConnectError, connectFailure } from './connect-failure.ts';
import { authority, hostAndPort, type HttpProxy } from './http-proxy.ts';
import { isExempt, type HostAndPort } from './no-proxy.ts';
import { looksLikeInspection, presentedChain, type PresentedChain } from './presented-chain.ts';
import { openTunnel } from './proxy-tunnel.ts';
import { opened, type Patience } from './socket-stage.ts';

/** How this machine reaches what is outside. */
export interface Outbound {
  /** From `tlsTrust`; absent: Node's own CAs. */
  readonly trust: SecureContext | undefined;
  /** Absent: directly. */
  readonly proxy?: HttpProxy;
  /** Hosts that are reached directly all the same; see `isExempt`. */
  readonly noProxy?: readonly string[];
  /** Default is 10 s. */
  readonly stageMs?: number;
}

const STAGE_MS = 10_000;

/** The proxy on the way to a URL, if there is one. */
export function proxyTo(url: URL, { proxy, noProxy = [] }: Outbound): HttpProxy | undefined {
  return isExempt(hostAndPort(url), noProxy) ? undefined : proxy;
}

export interface SecureConnection {
  readonly socket: TLSSocket;
  readonly chain: PresentedChain | undefined;
}

/**
 * Resolves with a connection to the host of `url` whose certificate and name were verified, through
 * the proxy where there is one. Rejects with `ConnectError` and leaves nothing open; each step has
 * its time, and an abort ends any of them at once.
 */
export async function connectOut(
  url: URL,
  outbound: Outbound,
  signal: AbortSignal,
): Promise<SecureConnection> {
  const { trust, stageMs = STAGE_MS } = outbound;
  const patience = { stageMs, signal };
  const target = hostAndPort(url);
  const proxy = proxyTo(url, outbound);
  if (proxy === undefined) return secured(target, trust, patience);
  const over = await openTunnel(target, proxy, () => carrierTo(proxy, patience), patience);
  return secured({ ...target, over }, trust, patience);
}

interface Target extends HostAndPort {
  /** An open connection to speak TLS over; absent: a new one. */
  readonly over?: Socket;
}

async function secured(
  { host, port, over }: Target,
  secureContext: SecureContext | undefined,
  patience: Patience,
): Promise<SecureConnection> {
  const socket = connectTls({
    host, // with `servername`, what the certificate has to say
    port,
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    // RFC 6066 section 3: an address is no server name.
    ...(isIP(host) === 0 && { servername: host }),
    ...(secureContext !== undefined && { secureContext }),
    ...(over !== undefined && { socket: over }),
  });
  socket.once('close', () => over?.destroy());
  let chain: PresentedChain | undefined;
  // Ahead of Node's own listener, which judges the certificate and drops it with the connection.
  socket.prependListener('secure', () => {
    chain = presentedChain(socket);
  });
  try {
    await opened(socket, 'secureConnect', patience);
  } catch (error) {
    over?.destroy();
    throw explained(error, chain);
  }
  return { socket, chain };
}

/** With which certificate has ended and when, or who signed what was shown where no CA that is trusted did. */
function explained(error: unknown, chain: PresentedChain | undefined): ConnectError {
  const failure = connectFailure(error);
  if (chain === undefined) return new ConnectError(failure);
  if (failure.isExpired === true) {
    const { subject, at } = chain.firstToEnd;
    return new ConnectError({ ...failure, reason: `${failure.reason}: "${subject}" on ${at}` });
  }
  if (failure.isUnknownCa !== true) return new ConnectError(failure);
  const { issuer, topIssuer, topFingerprint } = chain;
  const under = topIssuer === issuer ? '' : `, under "${topIssuer}"`;
  const inspected = looksLikeInspection(chain)
    ? 'Something on the way inspects TLS'
    : 'If that is no CA of yours, something on the way inspects TLS';
  return new ConnectError({
    ...failure,
    reason: `${failure.reason}. It was issued by "${issuer}"${under}; SHA-256 of the topmost certificate shown: ${topFingerprint}. ${inspected}`,
  });
}

/** The connection to the proxy itself. */
async function carrierTo(proxy: HttpProxy, patience: Patience): Promise<Socket> {
  const url = new URL(proxy.url);
  const place = hostAndPort(url);
  try {
    if (url.protocol === 'https:') return (await secured(place, proxy.trust, patience)).socket;
    const socket = connectTcp(place);
    await opened(socket, 'connect', patience);
    return socket;
  } catch (error) {
    const failure = connectFailure(error);
    const cure =
      failure.isUnknownCa === true
        ? 'Once whoever runs that CA has confirmed it, put its certificate into service.proxy.caFile'
        : `Look at ${proxy.setting}`;
    const reason = `the proxy ${authority(place)} cannot be used: ${failure.reason}. ${cure}`;
    throw new ConnectError({ ...failure, reason }, 'proxy');
  }
}
