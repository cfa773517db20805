import { signedHash } from '../../protocol/digest.ts';
import type { Operation } from '../../protocol/codes.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { signToken, type SigningKey } from '../../protocol/tokens.ts';
import type { Journal } from './journal.ts';
import { mustBeReadable } from './journal-records.ts';

export interface TrailOptions {
  readonly agentId: string;
  readonly directory: string;
  readonly device: SigningKey;
  readonly journal: Journal;
  readonly now: () => number;
  /** Hears, once it is durable, the number of an outcome that nobody has asked for. */
  readonly onUnasked: (seq: number) => void;
}

/** A command that was properly given: what its outcome is tied to. */
export interface Accepted {
  readonly cmd: string;
  readonly jti: string;
  readonly op: Operation;
  readonly digest: string;
  readonly tokenHash: string;
  /** The end of the operation's own time. */
  readonly notAfter: string;
  /** Epoch ms after which the token cannot be replayed. */
  readonly expiresMs: number;
}

/** What an outcome needs; an intent keeps it for one that is found out later. */
export type Answerable = Omit<Accepted, 'expiresMs'>;

interface Position {
  readonly seq: number;
  readonly head: string;
  /** What the journal had lost by then: after more, nothing goes on from here. */
  readonly lost: number;
}

interface Signed {
  readonly jws: string;
  readonly seq: number;
}

type Kind =
  | { readonly type: 'outcome'; readonly notAfter: string }
  | { readonly type: 'refusal'; readonly expires: string };

/** The agent's signed, gapless trail of outcomes; each names the hash of the one before. */
export class Trail {
  readonly #options: TrailOptions;
  #position: Promise<Position>;

  constructor(options: TrailOptions) {
    this.#options = options;
    this.#position = Promise.resolve(this.#durable);
  }

  /** Signs, chains and journals what became of an operation. Final for its `cmd`. */
  async outcome(accepted: Answerable, outcome: Outcome): Promise<string> {
    return (await this.#final(accepted, outcome)).jws;
  }

  /** The same for an operation that nobody asks about just now. */
  async unasked(accepted: Answerable, outcome: Outcome): Promise<void> {
    this.#options.onUnasked((await this.#final(accepted, outcome)).seq);
  }

  /** Signs, chains and journals that this dispatch was turned away before anything was tried. */
  async refusal(accepted: Accepted, outcome: Outcome): Promise<string> {
    const expires = timestamp(accepted.expiresMs);
    return (await this.#chain(accepted, outcome, { type: 'refusal', expires })).jws;
  }

  /**
   * Signs a refusal of something that was not properly commanded. Not chained and not kept: who
   * holds the socket could otherwise fill the disk.
   */
  unchained(tokenHash: string, outcome: Outcome): Promise<string> {
    const { agentId, directory, device } = this.#options;
    const claims = {
      iss: agentId,
      aud: directory,
      iat: this.#seconds(),
      token: tokenHash,
      outcome,
    };
    return signToken('outcome', claims, device);
  }

  #final(accepted: Answerable, outcome: Outcome): Promise<Signed> {
    return this.#chain(accepted, outcome, { type: 'outcome', notAfter: accepted.notAfter });
  }

  async #chain(accepted: Answerable, outcome: Outcome, kind: Kind): Promise<Signed> {
    // Signing is asynchronous and every link needs the one before, so links are made one by one;
    // the journal keeps the order of the calls, so waiting for the disk need not be.
    const before = this.#position;
    const link = before.then((position) => this.#link(accepted, outcome, kind, position));
    this.#position = link.catch(() => before); // what was not signed, or cannot be kept, has no number
    const { jws, seq, durable } = await link;
    const failed = await durable;
    if (failed !== undefined) throw failed;
    return { jws, seq };
  }

  async #link(
    accepted: Answerable,
    outcome: Outcome,
    kind: Kind,
    before: Position,
  ): Promise<Position & { readonly jws: string; readonly durable: Promise<Error | undefined> }> {
    const { journal } = this.#options;
    const { cmd, jti, digest } = accepted;
    const { lost, head, seq } = before;
    const ends = kind.type === 'outcome' ? 'operation' : 'dispatch';
    const jws = await this.#sign(accepted, outcome, { seq: seq + 1, head, ends });
    // What it was signed on did not reach the disk: it would leave a gap.
    if (lost !== journal.lost) return this.#link(accepted, outcome, kind, this.#durable);
    const record = { ...kind, cmd, jti, digest, code: outcome.code, seq: seq + 1, jws };
    mustBeReadable(record); // before anything is built on its number
    const durable = this.#append(record); // meanwhile the disk is at work
    return { jws, seq: seq + 1, head: signedHash(jws), lost, durable };
  }

  /** Right after a loss nothing is on its way to the disk, so this is the end of the trail. */
  get #durable(): Position {
    const { seq, head, lost } = this.#options.journal;
    return { seq, head, lost };
  }

  /** Never rejects: the chain goes on being built while somebody else waits for the disk. */
  #append(record: Parameters<Journal['append']>[0]): Promise<Error | undefined> {
    return this.#options.journal.append(record).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
  }

  #sign(
    accepted: Answerable,
    outcome: Outcome,
    { seq, head, ends }: Omit<Position, 'lost'> & { readonly ends: 'operation' | 'dispatch' },
  ): Promise<string> {
    const { agentId, directory, device, journal } = this.#options;
    const { cmd, jti, op, digest, tokenHash } = accepted;
    const claims = {
      iss: agentId,
      aud: directory,
      iat: this.#seconds(),
      token: tokenHash,
      cmd,
      jti,
      op,
      digest,
      ends,
      chain: { epoch: journal.epoch, seq, previous: head },
      outcome,
    };
    return signToken('outcome', claims, device);
  }

  #seconds(): number {
    return Math.floor(this.#options.now() / 1000);
  }
}
