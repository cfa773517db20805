import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { z } from 'zod';
import { OperationView, PreparedOperation } from '../../src/cloud/api/bodies.ts';
import { sealPrepared } from '../../src/cloud/cli/seal-prepared.ts';
import { STACK_DIRECTORY, type Stack } from '../../test/support/stack.ts';

/** Where an integrator calls, with what key and what CA (PEM). */
export interface ApiPlace {
  readonly url: string;
  readonly directory: string;
  readonly key: string;
  readonly ca: string;
}

/** An operation that only has to be handed in. */
export interface PreparedReset {
  readonly path: string;
  readonly body: object;
}

/** One integrator: keeps its connections open, prepares, seals, and hands operations in. */
export class Api {
  readonly #place: ApiPlace;
  readonly #agent: Agent;

  constructor(place: ApiPlace) {
    this.#place = place;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 32, ca: place.ca });
  }

  static async open(stack: Stack): Promise<Api> {
    const [key, ca] = await Promise.all([
      readFile(stack.keyFile, 'utf8'),
      readFile(stack.caFile, 'utf8'),
    ]);
    return new Api({ url: stack.url, directory: STACK_DIRECTORY, key: key.trim(), ca });
  }

  /** A reset of this account, ready to be handed in. */
  async prepare(objectGuid: string, password: string): Promise<PreparedReset> {
    const body = { account: { objectGuid }, op: 'reset' };
    const prepared = PreparedOperation.parse(await this.#call('POST', 'prepare', body));
    const secret = await sealPrepared(this.#place.directory, prepared, { password: password });
    return { path: `operations/${prepared.operation}`, body: { secret } };
  }

  /** An unlock of this account, ready to be handed in: nothing has to be sealed for it. */
  async prepareUnlock(objectGuid: string): Promise<PreparedReset> {
    const body = { account: { objectGuid }, op: 'unlock' };
    const { operation } = PreparedOperation.parse(await this.#call('POST', 'prepare', body));
    return { path: `operations/${operation}`, body: {} };
  }

  /** Hands it in and waits for the outcome; rejects unless it is applied. */
  async apply(prepared: PreparedReset): Promise<void> {
    const { status, code } = await this.handIn(prepared);
    if (status !== 'applied') throw new Error(`an operation ended ${status} (${code ?? ''})`);
  }

  /** Hands it in and waits 20 s for the outcome; the very same again is harmless. */
  async handIn({ path, body }: PreparedReset): Promise<z.infer<typeof OperationView>> {
    return OperationView.parse(await this.#call('PUT', path, body));
  }

  /** A request of the administrator's, in the directory. */
  async order(method: 'POST' | 'PUT', path: string, body: object = {}): Promise<unknown> {
    return this.#call(method, path, body);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #call(method: string, path: string, body: object): Promise<unknown> {
    const headers = {
      authorization: `Bearer ${this.#place.key}`,
      'content-type': 'application/json',
      prefer: 'wait=20',
    };
    const { url, directory } = this.#place;
    const sent = request(`${url}/v1/directories/${directory}/${path}`, {
      method,
      headers,
      agent: this.#agent,
    });
    sent.end(JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  }
}
