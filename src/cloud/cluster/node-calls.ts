import { randomUUID } from 'node:crypto';
import type { Standing } from '../../protocol/messages.ts';
import { RpcError, UnansweredError } from '../../protocol/rpc.ts';
import { messageOf } from '../../support/errors.ts';
import { onAbort } from '../../support/on-abort.ts';
import type { Calls } from '../store/nodes.ts';

/** What one node asks of the one that has an agent's socket. Nothing in it is a secret. */
export type Call = { readonly agent: string; readonly session: string } & (
  | { readonly type: 'inspect'; readonly request: string }
  | { readonly type: 'toggle'; readonly toggle: string }
  | { readonly type: 'renew'; readonly standing: Standing }
  | { readonly type: 'close'; readonly code: number; readonly reason: string }
  /** Whether the other end of the socket is alive. */
  | { readonly type: 'probe' }
);

type Answer =
  | { readonly ok: string }
  | { readonly unanswered: string }
  | { readonly rpc: { readonly rpcCode: number; readonly message: string; readonly code: string } };

export interface NodeCallsOptions {
  readonly calls: Calls;
  readonly own: () => string;
  readonly tell: (kind: 'call' | 'answer', id: string, node: string) => void;
  /** Does what another node asks; a rejection with `RpcError` or `UnansweredError` is the answer. */
  readonly answer: Answering;
}

export type Answering = (call: Call, signal: AbortSignal) => Promise<string>;

/** Whoever asked has given up by then. */
const ANSWER_WITHIN_MS = 30_000;

/** Questions from node to node: a row for each, and hints that there is one. */
export class NodeCalls {
  readonly #options: NodeCallsOptions;
  /** Questions of this node's, and who waits. */
  readonly #asked = new Map<string, (answer: Answer) => void>();
  readonly #answering = new Set<string>();

  constructor(options: NodeCallsOptions) {
    this.#options = options;
  }

  /**
   * What the other node answers. Rejects with `RpcError`, or with `UnansweredError` when none comes
   * before one of the signals aborts.
   */
  async ask(node: string, call: Call, signals: readonly AbortSignal[]): Promise<string> {
    const { calls, own, tell } = this.#options;
    const id = randomUUID();
    let offs: readonly (() => void)[] = [];
    const answered = new Promise<Answer>((resolve) => {
      this.#asked.set(id, resolve);
      offs = signals.map((signal) =>
        onAbort(signal, () => {
          resolve({ unanswered: 'no answer from the other node in time' });
        }),
      );
    });
    try {
      await calls.ask({ id, node, caller: own(), body: JSON.stringify(call) });
      tell('call', id, node);
      return unpack(await answered);
    } finally {
      for (const off of offs) off();
      this.#asked.delete(id);
    }
  }

  /** Somebody says that a call is there. Never rejects. */
  async onCall(id: string): Promise<void> {
    const { calls, own, tell } = this.#options;
    if (this.#answering.has(id)) return;
    this.#answering.add(id);
    try {
      const call = await calls.find(id);
      if (call?.node !== own()) return;
      const body = JSON.parse(call.body) as Call; // as `ask` of a node of ours wrote it
      await calls.answer(id, JSON.stringify(await this.#answer(body)));
      tell('answer', id, call.caller);
    } catch {
      // The database: whoever asks finds no answer, and the sweep comes by again.
    } finally {
      this.#answering.delete(id);
    }
  }

  /** Somebody says that an answer is there. Never rejects. */
  async onAnswer(id: string): Promise<void> {
    const resolve = this.#asked.get(id);
    if (resolve === undefined) return;
    const answer = await this.#options.calls.take(id).catch(() => undefined);
    if (answer !== undefined) resolve(JSON.parse(answer) as Answer);
  }

  /** Looks for what no hint came of. */
  async sweep(): Promise<void> {
    const { calls, own } = this.#options;
    for (const id of await calls.waiting(own())) void this.onCall(id);
    if (this.#asked.size === 0) return;
    for (const id of await calls.answered(own())) void this.onAnswer(id);
  }

  async #answer(call: Call): Promise<Answer> {
    try {
      return { ok: await this.#options.answer(call, AbortSignal.timeout(ANSWER_WITHIN_MS)) };
    } catch (error) {
      if (!(error instanceof RpcError)) return { unanswered: messageOf(error) };
      const { rpcCode, message, code } = error;
      return { rpc: { rpcCode, message, code } };
    }
  }
}

function unpack(answer: Answer): string {
  if ('ok' in answer) return answer.ok;
  if ('unanswered' in answer) throw new UnansweredError(answer.unanswered);
  const { rpcCode, message, code } = answer.rpc;
  throw new RpcError(rpcCode, message, code);
}
