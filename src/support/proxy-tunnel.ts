import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import {
  ConnectError,
  connectFailure,
  type ConnectFailure,
  type ConnectFailureKind,
} from './connect-failure.ts';
import { authority, hostAndPort, type HttpProxy } from './http-proxy.ts';
import type { HostAndPort } from './no-proxy.ts';
import type { Secret } from './secret.ts';
import { inTime, type Patience } from './socket-stage.ts';

/**
 * Asks a proxy for a tunnel (RFC 9110 section 9.3.6) and resolves with it once bytes go through to
 * `target`. Rejects with `ConnectError` that names what the proxy did, or with what `connect`, which
 * opens the connection to it, rejects with; that is destroyed then.
 */
export async function openTunnel(
  target: HostAndPort,
  proxy: HttpProxy,
  connect: () => Promise<Socket>,
  patience: Patience,
): Promise<Socket> {
  const login = await proxy.login?.read();
  const carrier = await connect();
  try {
    const headers = { host: authority(target), ...(login !== undefined && basic(login)) };
    const answer = await ask({ carrier, headers, proxy }, patience);
    if (wantsLogin(answer) && login !== undefined) proxy.login?.refuse(login);
    if (!opens(answer)) throw refusal({ ...answer, target, proxy });
    return carrier;
  } catch (error) {
    carrier.destroy();
    throw error;
  }
}

/** RFC 7617, with the character set that every proxy of today takes. */
function basic(login: Secret): { 'proxy-authorization': string } {
  return { 'proxy-authorization': `Basic ${Buffer.from(login.reveal()).toString('base64')}` };
}

interface Question {
  readonly carrier: Socket;
  readonly headers: { readonly host: string };
  readonly proxy: HttpProxy;
}

interface Answer {
  readonly status: number;
  /** What it takes for a login, in small letters: `basic`, `ntlm`, … */
  readonly schemes: readonly string[];
}

async function ask({ carrier, headers, proxy }: Question, patience: Patience): Promise<Answer> {
  const asked = request({
    method: 'CONNECT',
    path: headers.host,
    headers,
    createConnection: () => carrier,
  });
  try {
    return await inTime<Answer>(
      patience,
      (resolve, reject) => {
        asked.once('connect', (response, _, head) => {
          const answer = answerOf(response);
          // TLS begins with the client: nobody behind a tunnel has said anything yet.
          if (head.length === 0 || !opens(answer)) resolve(answer);
          else reject(unexpected(proxy, 'more than an answer'));
        });
        asked.once('error', (error) => {
          reject(broken(error, proxy));
        });
        asked.end();
      },
      () => failure(proxy, 'timeout', 'took the connection and does not answer'),
    );
  } catch (error) {
    end(asked);
    throw error;
  }
}

function opens({ status }: Answer): boolean {
  return status >= 200 && status <= 299;
}

/** tinyproxy answers to a wrong password as if it were the server. */
function wantsLogin({ status }: Pick<Answer, 'status'>): boolean {
  return status === 407 || status === 401;
}

function end(asked: ClientRequest): void {
  asked.on('error', () => undefined); // whatever a dying request still says was said already
  asked.destroy();
}

function answerOf({ statusCode = 0, rawHeaders }: IncomingMessage): Answer {
  const offers = rawHeaders.filter(
    (_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'proxy-authenticate',
  );
  const schemes = offers.map((offer) => /^[a-z0-9-]{1,32}/i.exec(offer)?.[0].toLowerCase());
  return { status: statusCode, schemes: schemes.filter((scheme) => scheme !== undefined) };
}

function broken(error: Error, proxy: HttpProxy): ConnectError {
  const code = 'code' in error ? String(error.code) : '';
  if (code.startsWith('HPE_')) return unexpected(proxy, `something else than HTTP (${code})`);
  const { kind } = connectFailure(error);
  return failure(proxy, kind, 'closed the connection instead of an answer');
}

function unexpected(proxy: HttpProxy, what: string): ConnectError {
  return failure(proxy, 'other', `answers with ${what}: it may be no HTTP proxy`);
}

function failure(proxy: HttpProxy, kind: ConnectFailureKind, what: string): ConnectError {
  const reason = `the proxy ${placeOf(proxy)} ${what}. Look at ${proxy.setting}`;
  return new ConnectError({ kind, reason }, 'proxy');
}

function placeOf({ url }: HttpProxy): string {
  return authority(hostAndPort(new URL(url)));
}

interface Refusal extends Answer {
  readonly target: HostAndPort;
  readonly proxy: HttpProxy;
}

function refusal({ status, schemes, target, proxy }: Refusal): ConnectError {
  if (wantsLogin({ status })) {
    const reason = loginRefused({ status, schemes }, proxy);
    return new ConnectError({ kind: 'proxy-login', reason }, 'proxy');
  }
  const { kind, reason: why } = REFUSALS[status] ?? NOT_A_PROXY;
  const reason = `the proxy ${placeOf(proxy)} ${why} (HTTP ${status} to CONNECT ${authority(target)})`;
  return new ConnectError({ kind, reason }, 'proxy');
}

const NOT_A_PROXY: ConnectFailure = {
  kind: 'proxy-refused',
  reason: 'does not open a tunnel; it may be no HTTP proxy',
};

const NOT_ALLOWED: ConnectFailure = {
  kind: 'proxy-refused',
  reason:
    'does not let this machine through: have it allow CONNECT to the host and port of the service',
};

const NOT_REACHED: ConnectFailure = {
  kind: 'unreachable',
  reason:
    'could not reach the service: look at DNS and firewall of the proxy, and whether the service runs',
};

const REFUSALS: Readonly<Partial<Record<number, ConnectFailure>>> = {
  403: NOT_ALLOWED,
  405: NOT_ALLOWED,
  429: { kind: 'unreachable', reason: 'has too much to do' },
  500: NOT_REACHED,
  502: NOT_REACHED,
  503: NOT_REACHED,
  504: NOT_REACHED,
};

function loginRefused({ status, schemes }: Answer, proxy: HttpProxy): string {
  const place = placeOf(proxy);
  if (schemes.length > 0 && !schemes.includes('basic')) {
    return `the proxy ${place} wants a login by ${schemes.join(' or ')} (HTTP ${status}), and only Basic is spoken: have it let this machine through without one, or run a local relay that logs on (cntlm, px)`;
  }
  return proxy.login === undefined
    ? `the proxy ${place} wants a login (HTTP ${status}): write user:password to a private file and name it in service.proxy.credentialsFile`
    : `the proxy ${place} does not take the user name and password in ${proxy.login.file} (HTTP ${status}): correct that file, it is read again`;
}
