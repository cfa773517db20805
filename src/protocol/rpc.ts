import { z } from 'zod';
import { MAX_FRAME_BYTES, RPC_ERRORS, type Methods, type Params, type Result } from './messages.ts';

const Id = z.union([z.int(), z.string().max(64)]);

const MAX_MESSAGE = 1024;

const ErrorObject = z.object({
  code: z.int(),
  message: z.string().transform((text) => text.slice(0, MAX_MESSAGE)),
  /** Others may put anything here; only a code of ours is of use. */
  data: z
    .object({ code: z.string().max(64).optional() })
    .optional()
    .catch(undefined),
});

const Request = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: Id.optional(),
  method: z.string().max(64),
  params: z.unknown().optional(),
});

const Response = z.union([
  z.strictObject({ jsonrpc: z.literal('2.0'), id: Id, result: z.unknown() }),
  z.strictObject({ jsonrpc: z.literal('2.0'), id: z.union([Id, z.null()]), error: ErrorObject }),
]);

/** The other side sent what is no JSON-RPC message at all: the link is of no use. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code = 'PROTOCOL_ERROR';
  readonly retryable = true;
}

/** The answer to a call is an error; thrown by a handler, it becomes that answer. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly rpcCode: number;
  /** One of our own stable codes, where there is one. */
  readonly code: string;
  readonly retryable = false;

  constructor(rpcCode: number, message: string, code = 'RPC_ERROR') {
    super(message);
    this.rpcCode = rpcCode;
    this.code = code;
  }
}

/** The call was never answered: the link went, or the caller gave up. The other side may have acted. */
export class UnansweredError extends Error {
  override readonly name = 'UnansweredError';
  readonly code = 'UNANSWERED';
  readonly retryable = true;
}

export type Handlers<M extends Methods> = {
  readonly [K in keyof M]: (params: Params<M, K>) => Promise<Result<M, K>> | Result<M, K>;
};

export interface PeerOptions<In extends Methods, Out extends Methods> {
  readonly incoming: In;
  readonly outgoing: Out;
  readonly handlers: Handlers<In>;
  /** Puts one frame on the wire; may throw when the link is gone. */
  readonly send: (frame: string) => void;
  /** A handler threw what is no `RpcError`: a bug. The caller has been told "internal error". */
  readonly onBug: (method: string, error: unknown) => void;
}

interface Waiting {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One side of a JSON-RPC 2.0 conversation over any link that carries text frames in order. */
export class Peer<In extends Methods, Out extends Methods> {
  readonly #options: PeerOptions<In, Out>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #closed = false;

  constructor(options: PeerOptions<In, Out>) {
    this.#options = options;
  }

  /**
   * Calls the other side. Rejects with `RpcError` when it answers with an error, and with
   * `UnansweredError` when the link closes or `signal` aborts first.
   */
  call<K extends keyof Out & string>(
    method: K,
    params: Params<Out, K>,
    signal: AbortSignal,
  ): Promise<Result<Out, K>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        settle();
        reject(new UnansweredError(`${method}: no answer`));
      };
      const settle = (): void => {
        this.#waiting.delete(id);
        signal.removeEventListener('abort', giveUp);
      };
      if (this.#closed || signal.aborted) {
        giveUp();
        return;
      }
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.set(id, {
        method,
        resolve: (result) => {
          settle();
          resolve(result as Result<Out, K>); // parsed by the method's own schema
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.#send({ id, method, params });
    });
  }

  /** Tells the other side something; whether it arrives is not known. */
  notify<K extends keyof Out & string>(method: K, params: Params<Out, K>): void {
    if (!this.#closed) this.#send({ method, params });
  }

  /**
   * Takes one frame from the wire; none after `close`. Throws `ProtocolError` when it is no JSON-RPC
   * message; batches are none here.
   */
  receive(frame: string): void {
    if (this.#closed) return;
    const message = parse(frame);
    const request = Request.safeParse(message);
    if (request.success) {
      void this.#serve(request.data);
      return;
    }
    const response = Response.safeParse(message);
    if (!response.success) throw new ProtocolError('not a JSON-RPC 2.0 message');
    this.#settle(response.data);
  }

  /** Rejects every call that is still waiting, and all later ones. */
  close(): void {
    this.#closed = true;
    for (const { method, reject } of [...this.#waiting.values()]) {
      reject(new UnansweredError(`${method}: the link closed`));
    }
  }

  async #serve({ id, method, params }: z.infer<typeof Request>): Promise<void> {
    const reply = (answer: object): void => {
      if (id !== undefined && !this.#closed) this.#send({ id, ...answer });
    };
    try {
      reply({ result: await this.#handle(method, params) });
    } catch (error) {
      if (!(error instanceof RpcError)) this.#options.onBug(method, error);
      reply({ error: toErrorObject(error) });
    }
  }

  async #handle(method: string, params: unknown): Promise<unknown> {
    const { incoming, handlers } = this.#options;
    if (!Object.hasOwn(incoming, method)) {
      throw new RpcError(RPC_ERRORS.methodNotFound, 'no such method');
    }
    const known = method as keyof In;
    const parsed = incoming[known]?.params.safeParse(params);
    if (parsed?.success !== true)
      throw new RpcError(RPC_ERRORS.invalidParams, 'invalid parameters');
    return (await handlers[known](parsed.data as Params<In, typeof known>)) ?? {};
  }

  #settle(response: z.infer<typeof Response>): void {
    const waiting = typeof response.id === 'number' ? this.#waiting.get(response.id) : undefined;
    if (waiting === undefined) return; // an answer that came too late, or to nothing
    if ('error' in response) {
      const { code, message, data } = response.error;
      waiting.reject(new RpcError(code, `${waiting.method}: ${message}`, data?.code));
      return;
    }
    const parsed = this.#options.outgoing[waiting.method]?.result?.safeParse(response.result);
    if (parsed?.success === true) waiting.resolve(parsed.data);
    else waiting.reject(new RpcError(RPC_ERRORS.internal, `${waiting.method}: unexpected result`));
  }

  #send(message: object): void {
    const frame = JSON.stringify({ jsonrpc: '2.0', ...message });
    try {
      this.#options.send(frame);
    } catch {
      this.close(); // the link is gone: whoever owns it hears that from the link itself
    }
  }
}

function parse(frame: string): unknown {
  if (frame.length > MAX_FRAME_BYTES) throw new ProtocolError('frame too long');
  try {
    return JSON.parse(frame);
  } catch {
    throw new ProtocolError('not JSON'); // the cause would quote the frame
  }
}

function toErrorObject(error: unknown): object {
  return error instanceof RpcError
    ? {
        code: error.rpcCode,
        message: error.message.slice(0, MAX_MESSAGE),
        data: { code: error.code },
      }
    : { code: RPC_ERRORS.internal, message: 'internal error' };
}
