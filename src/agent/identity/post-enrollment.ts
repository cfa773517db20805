import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import type { SecureContext } from 'node:tls';
import pRetry, { AbortError } from 'p-retry';
import { connectFailure } from '../../support/connect-failure.ts';
import { IdentityError } from './identity-error.ts';

const ANSWER_WITHIN_MS = 15_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const RETRIES = 4;

export interface Posting {
  readonly url: URL;
  readonly body: string;
  readonly trust: SecureContext | undefined;
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
    const answer = await send(
      posting,
      AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    );
    return accept(answer);
  } catch (error) {
    if (error instanceof NotTaken) throw error;
    throw new AbortError(error as Error);
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function send({ url, body, trust }: Posting, signal: AbortSignal): Promise<Answer> {
  const options: RequestOptions & { secureContext?: SecureContext } = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    agent: false,
    signal,
    ...(trust !== undefined && { secureContext: trust }),
  };
  try {
    const sent = request(url, options);
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return { status: response.statusCode ?? 0, text: await textOf(response) };
  } catch (error) {
    if (error instanceof IdentityError) throw error;
    throw toIdentityError(error, url, signal);
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

function toIdentityError(error: unknown, url: URL, signal: AbortSignal): Error {
  if (signal.aborted) {
    return new IdentityError(
      'SERVICE_UNREACHABLE',
      `enroll: ${url.host} took the connection and did not answer; if this repeats the token is used up, make a new one`,
    );
  }
  const { kind, reason } = connectFailure(error);
  switch (kind) {
    case 'tls-untrusted':
      return new IdentityError(
        'TLS_UNTRUSTED',
        `enroll: TLS with ${url.host} is not trusted: ${reason}. If the service has a certificate of your own CA, name that CA in service.caFile (or --ca-file)`,
      );
    case 'dns':
    case 'refused':
    case 'unreachable':
      return new NotTaken(
        new IdentityError('SERVICE_UNREACHABLE', `enroll: ${url.host}: ${reason}`),
      );
    case 'timeout':
    case 'reset':
    case 'tls':
    case 'other':
      return new IdentityError('SERVICE_UNREACHABLE', `enroll: ${url.host}: ${reason}`);
  }
}

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
        'enroll: a proxy on the way wants a login (HTTP 407); let the agent out directly',
      );
    default:
      throw new IdentityError('SERVICE_REFUSED', `enroll: HTTP ${status}; ${LOOK_AT_URL}`);
  }
}
