import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { CONNECT_PATH, SUBPROTOCOL } from '../../protocol/messages.ts';
import { timestamp } from '../../protocol/shapes.ts';
import {
  failed,
  passed,
  skipped,
  warned,
  type CheckResult,
  type Finding,
} from '../../support/checks.ts';
import type { Clock } from '../../support/clock.ts';
import { ConnectError } from '../../support/connect-failure.ts';
import { authority, hostAndPort } from '../../support/http-proxy.ts';
import { looksLikeInspection, type PresentedChain } from '../../support/presented-chain.ts';
import { connectOut, proxyTo, type Outbound } from '../../support/secure-connection.ts';
import { serviceUrl } from '../../support/service-url.ts';
import { shellWord } from '../../support/shell-word.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import { ClockSkew } from '../health/clock-skew.ts';
import { result, type CheckId } from './check-list.ts';

const ANSWER_MS = 10_000;
const DAY_MS = 86_400_000;

/** Public CAs issue for 90 days and less, and what renews by itself does so a month before. */
const RENEW_MS = 14 * DAY_MS;

export interface ServiceLook {
  readonly outbound: Outbound;
  readonly clock: Clock;
}

/** Looks whether the service can be reached at one address, and what answers there. */
export async function lookAtService(
  url: string,
  { outbound, clock }: ServiceLook,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const target = serviceUrl(url, CONNECT_PATH, 'https');
  const way = proxyTo(target, outbound);
  const said = (id: CheckId, finding: Finding): CheckResult => result(id, finding, url);
  const started = clock.monotonic();
  try {
    const { socket, chain } = await connectOut(target, outbound, signal);
    const through = way === undefined ? 'directly' : `through the proxy ${way.url}`;
    const tookMs = Math.round(clock.monotonic() - started);
    const connected = passed(`reached ${through} in ${tookMs} ms; certificate and name are good`);
    const certificate = certificateFinding(socket, chain, clock.now());
    const clockFinding = await answerTo(
      socket,
      { path: serviceUrl(url, '/livez', 'https').pathname, host: target.host },
      signal,
    ).then((response) => clockOf(response, clock.now()));
    return [
      said('service.connect', connected),
      said('service.certificate', certificate),
      said('service.answer', await upgradeFinding(target, outbound, signal)),
      said('service.clock', clockFinding),
    ];
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const rest: readonly CheckId[] = ['service.certificate', 'service.answer', 'service.clock'];
    return [
      said('service.connect', connectFinding(error, target)),
      ...rest.map((id) => said(id, skipped('there is no connection'))),
    ];
  }
}

/** The finding that a failed connection is, with what to do about it. */
export function connectFinding(
  { kind, at, message, isUnknownCa }: ConnectError,
  url: URL,
): Finding {
  const where = authority(hostAndPort(url));
  if (at === 'proxy')
    return failed(message, PROXY_CURES[kind] ?? 'Look at the proxy, and at service.proxy.url.');
  if (kind === 'tls-untrusted' && isUnknownCa) {
    const lines = [`openssl s_client -connect ${shellWord(where)} -showcerts </dev/null`];
    return failed(
      message,
      'Once whoever runs that CA has confirmed the fingerprint, put its certificate (PEM) into the file of service.caFile. To see what is shown:',
      { commands: [{ where: 'here', lines }] },
    );
  }
  return failed(`${where}: ${message}`, CURES[kind] ?? 'Look at service.url.');
}

const OPEN_THE_WAY =
  'Let this machine out to that host and port, and see that the service runs; where only a proxy leads out, name it in service.proxy.url.';

const CURES: Readonly<Partial<Record<ConnectError['kind'], string>>> = {
  dns: 'Correct service.url, or let this machine ask a DNS server that knows the name; behind a proxy set service.proxy.url.',
  refused: OPEN_THE_WAY,
  unreachable: OPEN_THE_WAY,
  timeout: OPEN_THE_WAY,
  reset: OPEN_THE_WAY,
  tls: 'Look at service.url: port and host have to be those of the service, which speaks TLS 1.2 or newer.',
  'tls-untrusted':
    'Renew the certificate for the name in service.url where TLS ends: in listen.certificateFile and listen.keyFile of the service (taken within a minute), or at the proxy in front of it. Compare the clocks if it is new.',
};

const PROXY_CURES: Readonly<Partial<Record<ConnectError['kind'], string>>> = {
  'proxy-login':
    'Write user:password on one line of a private file (chmod 600) and name it in service.proxy.credentialsFile; only Basic is spoken.',
  'proxy-refused':
    'Have the proxy allow CONNECT to the host and port of the service for this machine.',
};

function certificateFinding(
  socket: TLSSocket,
  chain: PresentedChain | undefined,
  now: number,
): Finding {
  const until = Date.parse(socket.getPeerCertificate().valid_to);
  const issuer = chain === undefined ? '' : `, issued by "${chain.issuer}"`;
  if (chain !== undefined && looksLikeInspection(chain)) {
    return warned(
      `something on the way opens TLS: the certificate was issued by "${chain.issuer}"`,
      'Nothing has to be done: passwords are sealed beneath TLS. It has to let WebSockets through.',
    );
  }
  const date = Number.isNaN(until) ? 'an unknown date' : timestamp(until).slice(0, 10);
  return until - now < RENEW_MS
    ? warned(`it ends on ${date}${issuer}`, 'Renew it on the host of the service.')
    : passed(`good until ${date}${issuer}`);
}

interface Asked {
  readonly path: string;
  readonly host: string;
  readonly upgrade?: true;
}

/** Undefined when nothing that could be read came in time. */
async function answerTo(
  socket: TLSSocket,
  { path, host, upgrade }: Asked,
  signal: AbortSignal,
): Promise<IncomingMessage | undefined> {
  const headers = {
    host,
    ...(upgrade === true && {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    }),
  };
  try {
    return await withDeadline(ANSWER_MS, signal, async (limit) => {
      const asked = request({ path, headers, createConnection: () => socket, signal: limit });
      asked.end();
      const [response] = (await once(asked, 'response', { signal: limit })) as [IncomingMessage];
      return response;
    });
  } catch {
    return undefined; // silence, an end, or something that is no HTTP: all the same to who looks
  } finally {
    socket.destroy();
  }
}

/** An upgrade without the subprotocol is refused by any Passback service in a way of its own. */
async function upgradeFinding(url: URL, outbound: Outbound, signal: AbortSignal): Promise<Finding> {
  const { socket } = await connectOut(url, outbound, signal);
  const response = await answerTo(
    socket,
    { path: url.pathname, host: url.host, upgrade: true },
    signal,
  );
  if (response?.statusCode === 426 && response.headers['sec-websocket-protocol'] === SUBPROTOCOL) {
    return passed(`a Passback service that speaks ${SUBPROTOCOL}; WebSockets get through`);
  }
  if (response?.statusCode === 503) {
    return warned('it is not ready (HTTP 503)', 'Look at its log, then run this again.');
  }
  const answered = response === undefined ? 'nothing' : `HTTP ${response.statusCode ?? 0}`;
  return failed(
    `what answers there is no Passback service, or something in front of it keeps WebSockets out (${answered})`,
    'Look at service.url, and let what stands in front of the service pass Upgrade: websocket.',
  );
}

function clockOf(response: IncomingMessage | undefined, now: number): Finding {
  const there = Date.parse(response?.headers.date ?? '');
  if (Number.isNaN(there)) return skipped('its answer names no time');
  const skew = new ClockSkew();
  // The header has whole seconds.
  skew.take({ here: now, there: there + 500 });
  const words = skew.inWords('the service');
  if (words === undefined) return passed(`${seconds(there + 500 - now)} s apart`);
  return failed(
    words,
    'Set the one that is wrong, and let both follow the same time (NTP): commands are refused until then.',
  );
}

function seconds(ms: number): string {
  return (Math.abs(ms) / 1000).toFixed(0);
}
