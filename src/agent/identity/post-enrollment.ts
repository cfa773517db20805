import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import pRetry, { AbortError } from 'p-retry';
import { ConnectError, connectFailure } from '../../support/connect-failure.ts';
import { connectOut, type Outbound } from '../../support/secure-connection.ts';
import { IdentityError } from './identity-error.ts';

const ANSWER_WITHIN_MS = 15_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const RETRIES = 4;

export interface Posting {
  readonly url: URL;
  readonly body: string;
  readonly outbound: Outbound;
  /** Waits before tries again; default 1 s, doubled. */
  readonly firstRetryMs?: number;
  /** Hears why the service was not reached, before it is tried again. */
  readonly onRetry?: (reason: string) => void;
}

/** Nothing of the request can have been used up: it may be sent again. */
class NotTaken extends Error {
  readonly failure: IdentityError;

  constructor(failure: IdentityError) {
    super(failure.message);
    this.failure = failure;
  }
}

/**
 * Posts once the service can be reached at all, and never again after it may have read the token.
 * Rejects with `IdentityError`.
 */
export async function postEnrollment(posting: Posting, signal: AbortSignal): Promise<string> {
  try {
    return await pRetry(() => tryOnce(posting, signal), {
      retries: RETRIES,
      minTimeout: posting.firstRetryMs ?? 1_000,
      maxTimeout: 10_000,
      signal,
      onFailedAttempt: ({ error, retriesLeft }) => {
        if (error instanceof NotTaken && retriesLeft > 0) posting.onRetry?.(error.message);
      },
    });
  } catch (error) {
    if (error instanceof NotTaken) throw error.failure;
    if (signal.aborted) throw new IdentityError('SERVICE_UNREACHABLE', 'enroll: stopped');
    throw error;
  }
}

async function tryOnce(posting: Posting, signal: AbortSignal): Promise<string> {
  try {
    const { url, outbound } = posting;
    const { socket } = await connectOut(url, outbound, signal).catch((error: unknown) =>
      notConnected(error, url),
    );
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    try {
      return accept(await send(posting, socket, limit));
    } finally {
      socket.destroy();
    }
  } catch (error) {
    if (error instanceof NotTaken) throw error;
    throw new AbortError(error as Error);
  }
}

/** Nothing was sent: what time may cure is tried again. */
function notConnected(error: unknown, { host }: URL): never {
  if (!(error instanceof ConnectError)) throw error;
  const { kind, at, message, isUnknownCa } = error;
  const isProxy = at === 'proxy';
  if (kind === 'proxy-login' || kind === 'proxy-refused') {
    throw new IdentityError('PROXY_REFUSED', `enroll: ${message}`);
  }
  if (kind === 'tls-untrusted') {
    const what = isProxy ? message : `TLS with ${host} is not trusted: ${message}`;
    const cure = isUnknownCa && !isProxy ? `. ${CA_CURE}` : '';
    throw new IdentityError('TLS_UNTRUSTED', `enroll: ${what}${cure}`);
  }
  const what = isProxy ? message : `${host}: ${message}`;
  throw new NotTaken(new IdentityError('SERVICE_UNREACHABLE', `enroll: ${what}`));
}

const CA_CURE =
  'Once whoever runs that CA has confirmed it, put its certificate into service.caFile (or --ca-file)';

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function send(
  { url, body }: Posting,
  socket: TLSSocket,
  signal: AbortSignal,
): Promise<Answer> {
  const options: RequestOptions = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    createConnection: () => socket,
    signal,
  };
  try {
    const sent = request(url, options);
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return { status: response.statusCode ?? 0, text: await textOf(response) };
  } catch (error) {
    if (error instanceof IdentityError) throw error;
    const reason = signal.aborted
      ? 'took the connection and did not answer'
      : connectFailure(error).reason;
    throw new IdentityError(
      'SERVICE_UNREACHABLE',
      `enroll: ${url.host}: ${reason}; if this repeats the token is used up, make a new one`,
    );
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) {
      response.destroy();
      throw new IdentityError('SERVICE_REFUSED', `enroll: the answer is too long; ${LOOK_AT_URL}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const LOOK_AT_URL = 'is --url the address of a Passback reset service?';

function accept({ status, text }: Answer): string {
  if (status === 200 || status === 201) return text;
  switch (status) {
    case 503:
      throw new NotTaken(
        new IdentityError('SERVICE_UNREACHABLE', 'enroll: the service is not ready (HTTP 503)'),
      );
    case 401:
    case 403:
    case 404:
    case 409:
    case 410:
      throw new IdentityError(
        'TOKEN_REFUSED',
        `enroll: the service does not take this token (HTTP ${status}): it was used, has expired (one hour), or belongs to another service. Make a new one`,
      );
    case 407:
      throw new IdentityError(
        'SERVICE_REFUSED',
        'enroll: something in front of the service wants a login (HTTP 407), as only a proxy should; name the proxy in service.proxy.url',
      );
    default:
      throw new IdentityError('SERVICE_REFUSED', `enroll: HTTP ${status}; ${LOOK_AT_URL}`);
  }
}
