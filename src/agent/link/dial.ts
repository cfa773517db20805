import type { SecureContext } from 'node:tls';
import { WebSocket, type ClientOptions } from 'ws';
import { CONNECT_PATH, MAX_FRAME_BYTES, SUBPROTOCOL } from '../../protocol/messages.ts';
import { connectFailure } from '../../support/connect-failure.ts';
import { onAbort } from '../../support/on-abort.ts';
import { serviceUrl } from '../../support/service-url.ts';
import { LinkError } from './link-error.ts';
import { readRefusal, URL_CURE } from './refusal.ts';

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
      void readRefusal(response).then((refusal) => {
        reject(refusal);
        request.destroy();
        socket.terminate();
      });
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
