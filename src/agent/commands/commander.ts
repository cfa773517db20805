import { commandDigest, signedHash } from '../../protocol/canonical.ts';
import { factsOf, type OutcomeCode } from '../../protocol/codes.ts';
import { CLOCK_TOLERANCE_S, type CommandClaims } from '../../protocol/command.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import type { Fields, Logger } from '../../support/logger.ts';
import { AccountQueue } from './account-queue.ts';
import type { CommandSession } from './command-session.ts';
import { execute, type Executor, type Steps } from './execute.ts';
import type { Journal } from './journal.ts';
import { logOutcome, logRefusal, logStart } from './log-outcome.ts';
import { outcome, toOutcome } from './outcomes.ts';
import type { Toggle } from './toggle.ts';
import type { Accepted, Trail } from './trail.ts';
import { MisplacedCommand, verifyCommand, type Verifier } from './verify.ts';

/** As many commands as are taken at once, running or waiting for their account. */
const MAX_IN_FLIGHT = 64;

export interface CommanderOptions {
  readonly verifier: Verifier;
  readonly executor: Executor;
  readonly journal: Journal;
  readonly trail: Trail;
  readonly toggle: Toggle;
  readonly log: Logger;
  /** Drops what is running; its outcome is then found out after a restart. */
  readonly abort: AbortSignal;
}

interface Running {
  readonly digest: string;
  readonly jti: string;
  readonly answer: Promise<string>;
}

interface Arrival {
  readonly session: CommandSession;
  readonly receivedAt: number;
  /** Why it is refused although the service gave it to this agent. */
  readonly misplaced: OutcomeCode | undefined;
}

/** Takes commands, each at most once, and answers with a signed outcome. */
export class Commander {
  readonly #options: CommanderOptions;
  readonly #queue = new AccountQueue(MAX_IN_FLIGHT);
  readonly #running = new Map<string, Running>();
  readonly #counters = new Map<string, number>();
  #draining = false;

  constructor(options: CommanderOptions) {
    this.#options = options;
  }

  /** How many commands ended with each code since the start. */
  get counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counters);
  }

  /** Takes nothing new from now on; resolves once everything running has its outcome on disk. */
  drain(): Promise<void> {
    this.#draining = true;
    return this.#queue.idle();
  }

  /**
   * The signed outcome of a command token. The same operation is carried out once, however often
   * and over however many sessions and restarts it comes. Rejects with `JournalError` when the
   * outcome could not be made durable: then nothing may be said.
   */
  async execute(token: string, session: CommandSession): Promise<string> {
    const receivedAt = this.#options.executor.clock.monotonic();
    const hashing = signedHash(token);
    let claims: CommandClaims;
    let misplaced: OutcomeCode | undefined;
    try {
      claims = await verifyCommand(token, session.id, this.#options.verifier);
    } catch (error) {
      if (!(error instanceof MisplacedCommand)) {
        return this.#notAccepted(error, await hashing, receivedAt);
      }
      ({ claims, code: misplaced } = error);
    }
    const { admission } = this.#options.executor;
    const [tokenHash, digest] = await Promise.all([
      hashing,
      commandDigest(claims),
      admission.refresh(),
    ]);
    const accepted: Accepted = {
      cmd: claims.cmd,
      jti: claims.jti,
      op: claims.op,
      digest,
      tokenHash,
      expiresMs: (claims.exp + CLOCK_TOLERANCE_S) * 1000,
    };
    return this.#answer(accepted, claims, { session, receivedAt, misplaced });
  }

  #answer(accepted: Accepted, claims: CommandClaims, arrival: Arrival): Promise<string> {
    const running = this.#running.get(accepted.cmd);
    if (running?.digest !== accepted.digest) {
      return this.#remembered(accepted, claims) ?? this.#begin(accepted, claims, arrival);
    }
    // A refusal is final for its own dispatch only: this one has its turn after it.
    return running.answer.then((answer) =>
      running.jti === accepted.jti || this.#options.journal.find(accepted.cmd)?.outcome === answer
        ? answer
        : this.#answer(accepted, claims, arrival),
    );
  }

  async #notAccepted(error: unknown, tokenHash: string, receivedAt: number): Promise<string> {
    const refused = toOutcome(error, this.#since(receivedAt));
    this.#count(refused.code);
    logRefusal(this.#options.log, refused, {});
    return this.#options.trail.unchained(tokenHash, refused);
  }

  /** The answer to an operation or dispatch that has been here before. */
  #remembered(accepted: Accepted, claims: CommandClaims): Promise<string> | undefined {
    const { journal } = this.#options;
    const { cmd, jti, digest } = accepted;
    const refusal = journal.refusalOf(jti);
    if (refusal !== undefined) return Promise.resolve(refusal);
    const known = journal.find(cmd);
    if ((this.#running.get(cmd) ?? known ?? accepted).digest !== digest) {
      return this.#turnAway(accepted, claims, 'MISMATCH');
    }
    if (known === undefined) return undefined;
    if (known.outcome !== undefined) return Promise.resolve(known.outcome);
    // An intent without an outcome: the agent ended while the write was under way.
    return this.#keepRunning(accepted, () =>
      this.#conclude(accepted, claims, outcome('INDETERMINATE', 0)),
    );
  }

  #begin(accepted: Accepted, claims: CommandClaims, arrival: Arrival): Promise<string> {
    const obstacle = arrival.misplaced ?? this.#obstacle(claims);
    if (obstacle !== undefined) {
      // Counts as running until it is on the disk: the same token must not slip through meanwhile.
      return this.#keepRunning(accepted, () => this.#turnAway(accepted, claims, obstacle));
    }
    return this.#keepRunning(accepted, () =>
      this.#queue.run(claims.account.objectGuid, () => this.#carryOut(accepted, claims, arrival)),
    );
  }

  /** Why nothing is taken just now, whatever it is. */
  #obstacle(claims: CommandClaims): OutcomeCode | undefined {
    const { executor, toggle } = this.#options;
    if (executor.clock.now() > Date.parse(claims.notAfter)) return 'EXPIRED';
    if (this.#draining) return 'DRAINING';
    if (!toggle.state.enabled) return 'PAUSED';
    return executor.admission.obstacle(claims.actor) ?? (this.#queue.full ? 'BUSY' : undefined);
  }

  async #carryOut(
    accepted: Accepted,
    claims: CommandClaims,
    { session, receivedAt }: Arrival,
  ): Promise<string> {
    const { executor, journal, log, abort } = this.#options;
    const { cmd, jti, digest } = accepted;
    logStart(log, claims.op, claims.by, fieldsOf(claims));
    const progress = { intended: false };
    const steps: Steps = {
      intend: async (intent) => {
        await journal.append({ type: 'intent', jti, digest, ...intent });
        progress.intended = true;
      },
      began: (controller) => {
        session.began({ cmd, jti, controller });
      },
    };
    const ended = await execute({ claims, receivedAt }, executor, steps, abort);
    // With nothing sent, and time to try again, the dispatch ends but the operation does not.
    if (!progress.intended || factsOf(ended.code).redispatch === true) {
      return this.#record('refusal', accepted, claims, ended);
    }
    return this.#conclude(accepted, claims, ended);
  }

  #conclude(accepted: Accepted, claims: CommandClaims, ended: Outcome): Promise<string> {
    return this.#record('outcome', accepted, claims, ended);
  }

  #turnAway(accepted: Accepted, claims: CommandClaims, code: OutcomeCode): Promise<string> {
    return this.#record('refusal', accepted, claims, outcome(code, 0));
  }

  async #record(
    kind: 'outcome' | 'refusal',
    accepted: Accepted,
    claims: CommandClaims,
    ended: Outcome,
  ): Promise<string> {
    const { trail, log } = this.#options;
    this.#options.executor.admission.ended(claims, ended.code);
    const jws = await trail[kind](accepted, ended);
    this.#count(ended.code);
    logOutcome(log, claims, ended, fieldsOf(claims));
    return jws;
  }

  #keepRunning(accepted: Accepted, work: () => Promise<string>): Promise<string> {
    const answer = work().finally(() => this.#running.delete(accepted.cmd));
    const { digest, jti } = accepted;
    this.#running.set(accepted.cmd, { digest, jti, answer });
    return answer;
  }

  #count(code: OutcomeCode): void {
    this.#counters.set(code, (this.#counters.get(code) ?? 0) + 1);
  }

  #since(receivedAt: number): number {
    return this.#options.executor.clock.monotonic() - receivedAt;
  }
}

function fieldsOf({ cmd, op, by, actor, account }: CommandClaims): Fields {
  return { cmd, op, by, actor, account: account.objectGuid };
}
