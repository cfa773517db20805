import type { TLSSocket } from 'node:tls';
import { WebSocket, type ClientOptions } from 'ws';
import { CONNECT_PATH, MAX_FRAME_BYTES, SUBPROTOCOL } from '../../protocol/messages.ts';
import { ConnectError, connectFailure } from '../../support/connect-failure.ts';
import { onAbort } from '../../support/on-abort.ts';
import type { PresentedChain } from '../../support/presented-chain.ts';
import { connectOut, type Outbound } from '../../support/secure-connection.ts';
import { serviceUrl } from '../../support/service-url.ts';
import { LinkError } from './link-error.ts';
import { readRefusal, URL_CURE } from './refusal.ts';

export interface DialOptions {
  readonly outbound: Outbound;
  readonly connectToken: () => Promise<string>;
}

const HANDSHAKE_WITHIN_MS = 10_000;
const CLOSE_WITHIN_MS = 2_000;

export interface Dialled {
  /** Paused: nothing it receives is lost before somebody listens. */
  readonly socket: WebSocket;
  readonly chain: PresentedChain | undefined;
}

/**
 * One attempt to open the WebSocket. Rejects with `LinkError`; an abort ends the attempt at once.
 */
export async function dial(
  url: string,
  { outbound, connectToken }: DialOptions,
  signal: AbortSignal,
): Promise<Dialled> {
  const target = serviceUrl(url, CONNECT_PATH, 'wss');
  const { socket, chain } = await connectOut(target, outbound, signal).catch(failed);
  try {
    // Only now: it is good for a minute, and all the steps before may take nearly as long.
    const token = await connectToken();
    const opening = new WebSocket(target, [SUBPROTOCOL], clientOptions(token, socket));
    return { socket: await opened(opening, signal), chain };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function clientOptions(token: string, socket: TLSSocket): ClientOptions {
  const options: ClientOptions & { closeTimeout: number } = {
    headers: { authorization: `Bearer ${token}` },
    createConnection: () => socket,
    handshakeTimeout: HANDSHAKE_WITHIN_MS,
    closeTimeout: CLOSE_WITHIN_MS,
    followRedirects: false,
    perMessageDeflate: false,
    // Many tiny fragments cost far more memory than their bytes.
    maxPayload: MAX_FRAME_BYTES,
    maxFragments: 16,
    maxBufferedChunks: 256,
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

function failed(error: unknown): never {
  if (!(error instanceof ConnectError)) throw error;
  const { kind, at, message, isUnknownCa } = error;
  if (kind === 'proxy-login') throw new LinkError('PROXY_LOGIN', message);
  if (at === 'proxy') throw new LinkError('PROXY', message);
  // So does a service that has more to let in than it can.
  if (kind === 'reset') throw new LinkError('TURNED_AWAY', message);
  if (kind !== 'tls-untrusted') throw new LinkError('UNREACHABLE', message);
  const cure = isUnknownCa ? `. ${CA_CURE}` : '';
  throw new LinkError('UNTRUSTED', `TLS is not trusted: ${message}${cure}`);
}

const CA_CURE =
  'Once whoever runs that CA has confirmed it, put its certificate into service.caFile';

/** Once TLS is up there is a service, or something that stands in front of it. */
function toLinkError(error: Error): LinkError {
  if (error.message.includes('subprotocol')) {
    return new LinkError(
      'NOT_A_SERVICE',
      `the other side does not speak ${SUBPROTOCOL}; ${URL_CURE}`,
    );
  }
  if (error.message.includes('handshake has timed out')) {
    return new LinkError('UNREACHABLE', 'connected, but no answer in time');
  }
  return new LinkError('UNREACHABLE', connectFailure(error).reason);
}
