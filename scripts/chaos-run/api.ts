import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { STACK_DIRECTORY, type Stack } from '../../test/support/stack.ts';

/** Longer than any answer that is asked for, and shorter than a person's patience. */
const ANSWER_WITHIN_MS = 15_000;

/** What came back: an answer, or nothing that can be believed. */
export type Answer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly json: unknown;
      readonly waitMs: number;
    }
  | { readonly kind: 'lost' };

/** A caller of the API on a connection that breaks: every request ends with an answer or as lost. */
export class Api {
  readonly #base: string;
  readonly #key: string;
  readonly #agent: Agent;

  private constructor(base: string, key: string, ca: string) {
    this.#base = base;
    this.#key = key;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64, ca });
  }

  /** `port` is where the service is reached on this machine. */
  static async open(stack: Stack, port: number): Promise<Api> {
    const key = (await readFile(stack.keyFile, 'utf8')).trim();
    const ca = await readFile(stack.caFile, 'utf8');
    return new Api(`https://localhost:${port}/v1/directories/${STACK_DIRECTORY}`, key, ca);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** With `waitS`, the answer may come that many seconds later if it then has more to say. */
  async call(method: string, path: string, body?: object, waitS = 0): Promise<Answer> {
    const sent = request(`${this.#base}/${path}`, {
      method,
      agent: this.#agent,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(waitS > 0 && { prefer: `wait=${waitS}` }),
      },
    });
    // After the answer began, too, the connection may break.
    sent.on('error', () => undefined);
    try {
      sent.end(body === undefined ? undefined : JSON.stringify(body));
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const retryAfter = Number(response.headers['retry-after'] ?? 0);
      return {
        kind: 'answer',
        status: response.statusCode ?? 0,
        json: JSON.parse(Buffer.concat(chunks).toString('utf8')),
        waitMs: retryAfter * 1000,
      };
    } catch {
      return { kind: 'lost' };
    }
  }
}
