import type { IncomingMessage } from 'node:http';
import type { SecureContext } from 'node:tls';
import { WebSocket, type ClientOptions } from 'ws';
import { CONNECT_PATH, MAX_FRAME_BYTES, SUBPROTOCOL } from '../../protocol/messages.ts';
import { connectFailure } from '../../support/connect-failure.ts';
import { onAbort } from '../../support/on-abort.ts';
import { serviceUrl } from '../../support/service-url.ts';
import { LinkError } from './link-error.ts';

export interface DialOptions {
  readonly url: string;
  readonly trust: SecureContext | undefined;
  readonly connectToken: () => Promise<string>;
}

const HANDSHAKE_WITHIN_MS = 10_000;
const CLOSE_WITHIN_MS = 2_000;

/**
 * One attempt to open the WebSocket. Resolves with a paused socket: nothing it receives is lost
 * before somebody listens. Rejects with `LinkError`; an abort ends the attempt at once.
 */
export async function dial(options: DialOptions, signal: AbortSignal): Promise<WebSocket> {
  const token = await options.connectToken();
  const socket = new WebSocket(
    serviceUrl(options.url, CONNECT_PATH, 'wss'),
    [SUBPROTOCOL],
    clientOptions(token, options.trust),
  );
  return opened(socket, signal);
}

function clientOptions(token: string, trust: SecureContext | undefined): ClientOptions {
  const options: ClientOptions & { closeTimeout: number; secureContext?: SecureContext } = {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: HANDSHAKE_WITHIN_MS,
    closeTimeout: CLOSE_WITHIN_MS,
    followRedirects: false,
    perMessageDeflate: false,
    // Many tiny fragments cost far more memory than their bytes.
    maxPayload: MAX_FRAME_BYTES,
    maxFragments: 16,
    maxBufferedChunks: 256,
    ...(trust !== undefined && { secureContext: trust }),
  };
  return options;
}

function opened(socket: WebSocket, signal: AbortSignal): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    // Stays for the socket's whole life: an 'error' nobody listens to would end the process.
    socket.on('error', (error) => {
      reject(toLinkError(error));
    });
    const off = onAbort(signal, () => {
      socket.terminate();
    });
    socket.once('close', off);
    socket.once('unexpected-response', (request, response) => {
      response.resume();
      request.destroy();
      reject(refusal(response));
      socket.terminate();
    });
    socket.once('open', () => {
      off();
      socket.pause();
      resolve(socket);
    });
  });
}

function toLinkError(error: Error): LinkError {
  if (error.message.includes('subprotocol')) {
    return new LinkError(
      'NOT_A_SERVICE',
      `the other side does not speak ${SUBPROTOCOL}; ${URL_CURE}`,
    );
  }
  if (error.message.includes('handshake has timed out')) {
    return new LinkError('UNREACHABLE', 'no answer in time (a firewall may drop the packets)');
  }
  const { kind, reason } = connectFailure(error);
  if (kind !== 'tls-untrusted') return new LinkError('UNREACHABLE', reason);
  return new LinkError(
    'UNTRUSTED',
    `TLS is not trusted: ${reason}. If the service has a certificate of your own CA, name that CA in service.caFile`,
  );
}

const URL_CURE = 'look at service.url and at what stands in front of the service';

function refusal(response: IncomingMessage): LinkError {
  const status = response.statusCode ?? 0;
  const wish = retryAfterMs(response.headers['retry-after']);
  switch (status) {
    case 401:
    case 403:
      return new LinkError(
        'REVOKED',
        `the service does not accept this agent (HTTP ${status}): it was revoked, belongs to another service, or its clock is wrong. Compare the clocks, else enrol again`,
        wish,
      );
    case 426:
      return new LinkError(
        'TOO_OLD',
        'the service wants a newer agent (HTTP 426): update it',
        wish,
      );
    case 407:
      return new LinkError(
        'PROXY_LOGIN',
        'a proxy on the way wants a login (HTTP 407); let the agent out directly',
      );
    case 429:
    case 502:
    case 503:
    case 504:
      return new LinkError('NOT_READY', `the service is not ready (HTTP ${status})`, wish);
    default:
      return new LinkError('NOT_A_SERVICE', `unexpected HTTP ${status}; ${URL_CURE}`, wish);
  }
}

/** RFC 9110 section 10.2.3, seconds only: a date would depend on both clocks. */
function retryAfterMs(header: string | undefined): number {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : 0;
}
