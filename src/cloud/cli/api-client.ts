import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import type { SecureContext } from 'node:tls';
import { z } from 'zod';
import { connectFailure, type ConnectFailureKind } from '../../support/connect-failure.ts';
import type { Fault } from '../../support/errors.ts';
import { Secret } from '../../support/secret.ts';
import { serviceUrl } from '../../support/service-url.ts';
import { tlsTrust } from '../../support/tls-trust.ts';
import { certificatesOf, textOf, UsageError } from '../../support/usage-error.ts';
import { parseJson } from '../../support/parse-json.ts';

const ANSWER_WITHIN_MS = 90_000;

export interface ApiFlags {
  readonly url: string;
  readonly keyFile: string;
  readonly directory: string;
  readonly ca?: string;
}

/** The service did not do it; `code` is the problem's, the message is for people. */
export class ApiError extends Error implements Fault {
  override readonly name = 'ApiError';
  readonly code: string;
  readonly retryable: boolean;
  readonly status: number;
  readonly problem: unknown;

  constructor(status: number, code: string, message: string, problem?: unknown) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryable = status === 0 || status >= 500;
    this.problem = problem;
  }
}

const ProblemBody = z.object({
  code: z.string(),
  title: z.string(),
  detail: z.string().optional(),
  action: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), detail: z.string() })).optional(),
});

/** One directory of a reset service, over its API. Every rejection is an `ApiError` or a `UsageError`. */
export class ApiClient {
  readonly #base: string;
  readonly #key: Secret;
  readonly #trust: SecureContext | undefined;
  readonly directory: string;

  private constructor(flags: ApiFlags, key: Secret, trust: SecureContext | undefined) {
    this.#base = flags.url;
    this.#key = key;
    this.#trust = trust;
    this.directory = flags.directory;
  }

  static async open(flags: ApiFlags): Promise<ApiClient> {
    if (!URL.canParse(flags.url) || new URL(flags.url).protocol !== 'https:') {
      throw new UsageError('--url: expected an address such as https://reset.example.com');
    }
    const key = (await textOf(flags.keyFile, '--key-file')).trim();
    if (!/^pbk_[\w-]{43}$/.test(key)) {
      throw new UsageError(
        `--key-file: ${flags.keyFile} holds no API key; make one with \`passback-cloud key add\``,
      );
    }
    const ca = flags.ca === undefined ? undefined : await certificatesOf(flags.ca, '--ca');
    return new ApiClient(flags, new Secret(key), tlsTrust(ca));
  }

  /** The answer's JSON, checked by `schema`. */
  async call<T>(
    method: string,
    path: string,
    schema: z.ZodType<T>,
    options: { readonly body?: object; readonly prefer?: string } = {},
  ): Promise<T> {
    const target = `/v1/directories/${this.directory}/${path}`;
    const { status, text } = await this.#send(method, target, options);
    const json = parseJson(text);
    if (status >= 400) throw toApiError(status, json);
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    throw new ApiError(
      status,
      'NOT_A_SERVICE',
      'the answer is not that of a Passback reset service; look at --url',
    );
  }

  async #send(
    method: string,
    path: string,
    { body, prefer }: { readonly body?: object; readonly prefer?: string },
  ): Promise<{ readonly status: number; readonly text: string }> {
    const url = serviceUrl(this.#base, '', 'https');
    const [pathname = '', search = ''] = path.split('?', 2);
    url.pathname = url.pathname.replace(/\/+$/, '') + pathname;
    url.search = search;
    const content = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions & { secureContext?: SecureContext } = {
      method,
      agent: false,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      headers: {
        authorization: `Bearer ${this.#key.reveal()}`,
        accept: 'application/json',
        ...(content !== undefined && { 'content-type': 'application/json' }),
        ...(prefer !== undefined && { prefer }),
      },
      ...(this.#trust !== undefined && { secureContext: this.#trust }),
    };
    try {
      const sent = request(url, options);
      sent.end(content);
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
    } catch (error) {
      const { kind, reason } = connectFailure(error);
      const cure = CURES[kind] ?? '';
      throw new ApiError(0, 'UNREACHABLE', `${url.host}: ${reason}${cure}`);
    }
  }
}

const CURES: Readonly<Partial<Record<ConnectFailureKind, string>>> = {
  'tls-untrusted': '; name your own CA with --ca',
  dns: '; look at --url',
  refused: '; see that passback-cloud serve runs there, and look at --url',
  timeout: '; see that this machine may reach it, and look at --url',
};

function toApiError(status: number, json: unknown): ApiError {
  const parsed = ProblemBody.safeParse(json);
  if (!parsed.success) {
    return new ApiError(status, 'NOT_A_SERVICE', `unexpected HTTP ${status}; look at --url`);
  }
  const { code, title, detail, action, errors } = parsed.data;
  // The detail of a wrong request sends programs to `errors`; here they stand below it.
  const what = errors === undefined ? (detail ?? title) : title;
  const lines = [
    `${code}: ${what}${code === 'NOT_FOUND' ? '; look at --url' : ''}`,
    ...(errors ?? []).map((error) => `  ${error.path}: ${error.detail}`),
    ...(action === undefined ? [] : [`What to do: ${action}`]),
  ];
  return new ApiError(status, code, lines.join('\n'), json);
}
