import { setMaxListeners } from 'node:events';
import { commandDigest, signedHash } from '../../protocol/digest.ts';
import { factsOf, type OutcomeCode } from '../../protocol/codes.ts';
import { CLOCK_TOLERANCE_S, type CommandClaims } from '../../protocol/command.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import type { Fields, Logger } from '../../support/logger.ts';
import { AccountQueue } from './account-queue.ts';
import type { CommandSession } from './command-session.ts';
import { execute } from './execute.ts';
import { leftToBegin, type Executor, type Steps } from './job.ts';
import { JournalError } from './journal-error.ts';
import type { Intent } from './journal-records.ts';
import type { Journal } from './journal.ts';
import { logOutcome, logRefusal, logStart } from './log-outcome.ts';
import { outcome, Refusal, toOutcome, Unresolved } from './outcomes.ts';
import { settleLeftOver, settleOthers } from './settle-others.ts';
import type { Toggle } from './toggle.ts';
import type { Accepted, Trail } from './trail.ts';
import { MisplacedCommand, verifyCommand, type Verifier } from './verify.ts';

/** Frames that are on their way for longer are worth asking whether the service knows our clock. */
const LATE_MS = 1_000;

/** As many commands as are taken at once, running or waiting for their account. */
const MAX_IN_FLIGHT = 64;

export interface CommanderOptions {
  readonly verifier: Verifier;
  readonly executor: Executor;
  readonly journal: Journal;
  readonly trail: Trail;
  readonly toggle: Toggle;
  readonly log: Logger;
  /** Hears how each operation that was worked on ended. Must not throw. */
  readonly onEnded?: (ended: Outcome) => void;
  /** Drops what is running; its outcome is then found out after a restart. */
  readonly abort: AbortSignal;
}

interface Running {
  readonly digest: string;
  readonly jti: string;
  readonly answer: Promise<string>;
  /** When it was taken, on the monotonic clock. */
  readonly since: number;
}

interface Arrival {
  readonly session: CommandSession;
  readonly receivedAt: number;
  /** When the service signed it, at the earliest; both on the monotonic clock. */
  readonly givenAt: number;
  /** Why it is refused although the service gave it to this agent. */
  readonly misplaced: OutcomeCode | undefined;
  /** Its write of an earlier dispatch, whose outcome is not known. */
  readonly open?: Intent | undefined;
}

/** Takes commands, each at most once, and answers with a signed outcome. */
export class Commander {
  readonly #options: CommanderOptions;
  readonly #queue = new AccountQueue(MAX_IN_FLIGHT);
  readonly #running = new Map<string, Running>();
  readonly #counters = new Map<string, number>();
  readonly #since: number;
  #lateAt = -Infinity;
  /** Since when the left-over whose turn it is is worked on, on the monotonic clock. */
  #settlingSince: number | undefined;
  readonly #drain = new AbortController();

  constructor(options: CommanderOptions) {
    this.#options = options;
    this.#since = options.executor.clock.monotonic();
    setMaxListeners(0, this.#drain.signal); // one for each find-out
  }

  /** How many commands ended with each code since the start. */
  get counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counters);
  }

  /**
   * When the oldest command that is still worked on was taken, on the monotonic clock; one that an
   * earlier life has left over is taken when its turn comes.
   */
  get oldestSince(): number | undefined {
    const [oldest] = this.#running.values();
    const all = [oldest?.since, this.#settlingSince].filter((since) => since !== undefined);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  /**
   * Takes nothing new from now on; resolves once everything running has its outcome on disk, or is
   * left open because its write was made and only waiting would tell what became of it.
   */
  drain(): Promise<void> {
    this.#drain.abort();
    return this.#queue.idle();
  }

  /** Finds out what became of writes that nobody asks about any more. */
  async settleLeftOvers(): Promise<void> {
    const { journal, trail, executor, abort, log } = this.#options;
    const context = { ...executor, journal, trail, since: this.#since };
    const settle = async (intent: Intent): Promise<void> => {
      if (journal.find(intent.cmd)?.intent === undefined) return; // it was answered meanwhile
      const ended = await settleLeftOver(intent, context, abort);
      if (ended === undefined) return;
      this.#count(ended.code);
      const { cmd, op, by, actor, objectGuid: account } = intent;
      logOutcome(log, intent, ended, { cmd, op, by, actor, account });
    };
    try {
      for (const intent of journal.openIntents) {
        this.#settlingSince = executor.clock.monotonic();
        await this.#queue.run(intent.objectGuid, () => settle(intent));
      }
    } finally {
      this.#settlingSince = undefined;
    }
  }

  /**
   * The signed outcome of a command token. The same operation is carried out once, however often
   * and over however many sessions and restarts it comes. Rejects with `JournalError` when the
   * outcome could not be made durable, and with `Unresolved` when it cannot be known yet: then
   * nothing may be said.
   */
  async execute(token: string, session: CommandSession): Promise<string> {
    const receivedAt = this.#options.executor.clock.monotonic();
    const tokenHash = signedHash(token);
    let claims: CommandClaims;
    let misplaced: OutcomeCode | undefined;
    try {
      claims = await verifyCommand(token, session.id, this.#options.verifier);
    } catch (error) {
      if (!(error instanceof MisplacedCommand)) {
        return this.#notAccepted(error, tokenHash, receivedAt);
      }
      ({ claims, code: misplaced } = error);
    }
    const { admission } = this.#options.executor;
    await admission.refresh();
    const accepted: Accepted = {
      cmd: claims.cmd,
      jti: claims.jti,
      op: claims.op,
      digest: commandDigest(claims),
      tokenHash,
      notAfter: claims.notAfter,
      expiresMs: (claims.exp + CLOCK_TOLERANCE_S) * 1000,
    };
    // Later than it came, an agent that ran slower than the service would have it given.
    const givenAt = Math.min(receivedAt, claims.monotonicMs);
    if (receivedAt - givenAt > LATE_MS) this.#tellLate(session, receivedAt);
    return this.#answer(accepted, claims, { session, receivedAt, givenAt, misplaced });
  }

  /** Frames are held back, or a clock stood still; once a second tells the service enough. */
  #tellLate(session: CommandSession, at: number): void {
    if (at - this.#lateAt < LATE_MS) return;
    this.#lateAt = at;
    session.late();
  }

  #answer(accepted: Accepted, claims: CommandClaims, arrival: Arrival): Promise<string> {
    const running = this.#running.get(accepted.cmd);
    if (running?.digest !== accepted.digest) {
      return this.#remembered(accepted, claims, arrival) ?? this.#begin(accepted, claims, arrival);
    }
    // A refusal is final for its own dispatch only: this one has its turn after it.
    return running.answer.then((answer) =>
      running.jti === accepted.jti ? answer : this.#answer(accepted, claims, arrival),
    );
  }

  async #notAccepted(error: unknown, tokenHash: string, receivedAt: number): Promise<string> {
    const refused = toOutcome(error, this.#options.executor.clock.monotonic() - receivedAt);
    this.#count(refused.code);
    logRefusal(this.#options.log, refused, {});
    return this.#options.trail.unchained(tokenHash, refused);
  }

  /** The answer to an operation or dispatch that has been here before. */
  #remembered(
    accepted: Accepted,
    claims: CommandClaims,
    arrival: Arrival,
  ): Promise<string> | undefined {
    const { journal } = this.#options;
    const { cmd, jti, digest } = accepted;
    const refusal = journal.refusalOf(jti);
    if (refusal !== undefined) return refusal;
    const known = journal.find(cmd);
    if ((this.#running.get(cmd) ?? known ?? accepted).digest !== digest) {
      return this.#turnAway(accepted, claims, 'MISMATCH');
    }
    if (known === undefined) return undefined;
    if (known.intent === undefined) return journal.outcomeOf(cmd);
    // An intent without an outcome: the agent ended while the write was under way, or could not say.
    // A refusal would be taken for "nothing was done".
    if (arrival.misplaced !== undefined || this.#drain.signal.aborted || this.#queue.full) {
      return Promise.reject(new Unresolved());
    }
    return this.#take(accepted, claims, { ...arrival, obstacle: undefined, open: known.intent });
  }

  #begin(accepted: Accepted, claims: CommandClaims, arrival: Arrival): Promise<string> {
    if (this.#options.journal.problem?.retryable === true) return this.#noRoom(accepted, claims);
    const full = this.#queue.full ? 'BUSY' : undefined;
    const obstacle =
      arrival.misplaced ?? this.#obstacle(claims) ?? full ?? tooLate(claims, arrival);
    return this.#take(accepted, claims, { ...arrival, obstacle });
  }

  #take(
    accepted: Accepted,
    claims: CommandClaims,
    arrival: Arrival & { readonly obstacle: OutcomeCode | undefined },
  ): Promise<string> {
    const { obstacle } = arrival;
    if (obstacle !== undefined) {
      // Counts as running until it is on the disk: the same token must not slip through meanwhile.
      return this.#keepRunning(accepted, () => this.#turnAway(accepted, claims, obstacle));
    }
    const { executor, abort: signal } = this.#options;
    const patience = {
      ...{ ms: leftToBegin(arrival, executor.clock), signal },
      late: () => this.#notInTime(accepted, claims, arrival),
    };
    const work = (): Promise<string> => this.#carryOut(accepted, claims, arrival);
    return this.#keepRunning(accepted, () =>
      this.#queue.run(claims.account.objectGuid, work, patience),
    );
  }

  /** Others on its account have taken too long; nothing was done for this dispatch. */
  #notInTime(accepted: Accepted, claims: CommandClaims, { open }: Arrival): Promise<string> {
    return open === undefined
      ? this.#turnAway(accepted, claims, 'BUSY')
      : Promise.reject(new Unresolved());
  }

  /** Why nothing is taken, or written, just now, whatever it is. What was taken is not drained away. */
  #obstacle(claims: CommandClaims, taken = false): OutcomeCode | undefined {
    const { executor, journal, toggle } = this.#options;
    const notAfter = Date.parse(claims.notAfter);
    // What was done so long ago may have been forgotten: that it was not cannot be said.
    if (notAfter <= journal.floor) return 'INDETERMINATE';
    if (executor.clock.now() > notAfter) return 'EXPIRED';
    if (this.#drain.signal.aborted && !taken) return 'DRAINING';
    if (!toggle.state.enabled) return 'PAUSED';
    return executor.admission.obstacle(claims.actor);
  }

  /** The disk is full: nothing can be kept, so what is said must be true without being kept. */
  #noRoom({ tokenHash }: Accepted, claims: CommandClaims): Promise<string> {
    const refused = outcome('BUSY', 0, { message: 'The disk of the agent is full.' });
    this.#count(refused.code);
    logRefusal(this.#options.log, refused, fieldsOf(claims));
    return this.#options.trail.unchained(tokenHash, refused);
  }

  async #carryOut(
    accepted: Accepted,
    claims: CommandClaims,
    { session, receivedAt, givenAt, open }: Arrival,
  ): Promise<string> {
    const { executor, journal, log, trail, abort } = this.#options;
    const { cmd, jti, digest, tokenHash: token } = accepted;
    const settled = open !== undefined && journal.find(cmd)?.intent === undefined;
    if (settled) return journal.outcomeOf(cmd); // while this waited for its turn
    if (open === undefined) logStart(log, claims.op, claims.by, fieldsOf(claims));
    else log.info('operation.resumed', { ...fieldsOf(claims), controller: open.controller });
    let intended = open !== undefined;
    const { clock } = executor;
    const steps: Steps = {
      seen: (account) => settleOthers(cmd, account, { journal, trail, clock, since: this.#since }),
      intend: async (planned) => {
        const intent: Intent = { type: 'intent', jti, digest, token, ...planned };
        await journal.append(intent).catch((error: unknown) => {
          throw isFull(error) ? new Refusal('BUSY') : error;
        });
        intended = true;
        return intent;
      },
      began: (controller) => {
        session.began({ cmd, jti, controller });
      },
      // Without its session, the service counts the time until another agent gets the operation.
      obstacle: () => (session.ended.aborted ? 'BUSY' : this.#obstacle(claims, true)),
    };
    const drain = this.#drain.signal;
    const execution = { claims, receivedAt, givenAt, open, drain };
    const ended = await execute(execution, executor, steps, abort).catch((error: unknown) => {
      if (error instanceof Unresolved) log.warn('operation.unresolved', fieldsOf(claims));
      throw error;
    });
    // With nothing sent, and time to try again, the dispatch ends but the operation does not.
    const { redispatch, status } = factsOf(ended.code);
    if (!intended && journal.problem?.retryable === true) {
      executor.admission.ended(claims, 'BUSY');
      return this.#noRoom(accepted, claims);
    }
    const final = redispatch !== true && (intended || status === 'applied' || status === 'unknown');
    return this.#record(final ? 'outcome' : 'refusal', accepted, claims, ended);
  }

  #turnAway(accepted: Accepted, claims: CommandClaims, code: OutcomeCode): Promise<string> {
    const { executor, toggle } = this.#options;
    const details = toggle.state.enabled ? executor.admission.detailsOf(code) : {};
    return this.#record('refusal', accepted, claims, outcome(code, 0, details));
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
    this.#options.onEnded?.(ended);
    logOutcome(log, claims, ended, fieldsOf(claims));
    return jws;
  }

  #keepRunning(accepted: Accepted, work: () => Promise<string>): Promise<string> {
    const answer = work().finally(() => this.#running.delete(accepted.cmd));
    const { digest, jti } = accepted;
    const since = this.#options.executor.clock.monotonic();
    this.#running.set(accepted.cmd, { digest, jti, answer, since });
    return answer;
  }

  #count(code: OutcomeCode): void {
    this.#counters.set(code, (this.#counters.get(code) ?? 0) + 1);
  }
}

/** Whoever holds frames back must not choose the time of a write: another agent may have its turn by now. */
function tooLate(
  { startWithinMs }: CommandClaims,
  { receivedAt, givenAt }: Arrival,
): OutcomeCode | undefined {
  return receivedAt - givenAt > startWithinMs ? 'BUSY' : undefined;
}

function isFull(error: unknown): boolean {
  return error instanceof JournalError && error.code === 'JOURNAL_FULL';
}

function fieldsOf({ cmd, op, by, actor, account }: CommandClaims): Fields {
  return { cmd, op, by, actor, account: account.objectGuid };
}
