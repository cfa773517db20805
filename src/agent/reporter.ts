import type { HelloClaims, StatusReport } from '../protocol/status.ts';
import { MAX_REPORTED, MAX_REPORTED_LENGTH, type Standing } from '../protocol/messages.ts';
import { PROTOCOLS } from '../protocol/protocol-range.ts';
import { RpcError, UnansweredError } from '../protocol/rpc.ts';
import { signToken } from '../protocol/tokens.ts';
import type { Clock } from '../support/clock.ts';
import type { Admission } from './commands/guard/admission.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { guardSummary } from './guard-summary.ts';
import { JournalError } from './commands/journal-error.ts';
import type { Journal } from './commands/journal.ts';
import type { Toggle } from './commands/toggle.ts';
import type { StoredIdentity } from './identity/load-identity.ts';
import type { SessionHandle } from './link/link-options.ts';

export interface ReporterOptions {
  readonly identity: StoredIdentity;
  readonly journal: Journal;
  readonly toggle: Toggle;
  readonly config: Pick<AgentConfig, 'guard' | 'peers'>;
  readonly admission: Admission;
  readonly version: string;
  readonly status: () => StatusReport;
  readonly clock: Clock;
}

/** What the agent says of itself, under its device key: in greetings, and while a session lasts. */
export class Reporter {
  readonly #options: ReporterOptions;
  #session: SessionHandle | undefined;
  /** The state that the newest hello told of; it takes a moment until there is a session to tell more. */
  #greetedWith: string | undefined;
  /** Numbers of signed outcomes that are to be handed over, in their order. */
  #due: number[] = [];
  /** The session in which that goes on. */
  #reportingIn: SessionHandle | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** The session that is told from now on, until it ends; at once where the hello is out of date. */
  attach(session: SessionHandle): void {
    this.#session = session;
    if (stateOf(this.#options.status()) !== this.#greetedWith) void this.tellStatus();
  }

  /** A signed hello over the service's challenge. */
  hello({ session, nonce }: { session: string; nonce: string }): Promise<string> {
    const { identity, journal, toggle, config, admission, version, status } = this.#options;
    const { epoch, seq, head } = journal;
    const report = status();
    this.#greetedWith = stateOf(report);
    const claims: HelloClaims = {
      iss: identity.agentId,
      aud: identity.issuer,
      iat: this.#seconds(),
      monotonicMs: this.#monotonicMs(),
      nonce,
      sid: session,
      version,
      protocols: PROTOCOLS,
      sealingKey: identity.sealing.statement,
      capabilities: ['reset', 'change', 'unlock'],
      guard: guardSummary(config, admission),
      status: report,
      journal: { epoch, seq, head },
      toggle: toggle.state.version,
    };
    return signToken('hello', claims, identity.device);
  }

  /** Tells the service how the agent is; does nothing without a session. */
  async tellStatus(): Promise<void> {
    const session = this.#live;
    if (session === undefined) return;
    const { identity, status } = this.#options;
    const { agentId: iss, issuer: aud, device } = identity;
    const times = { iat: this.#seconds(), monotonicMs: this.#monotonicMs() };
    const claims = { iss, aud, ...times, report: status() };
    session.notify('agent.status', { status: await signToken('status', claims, device) });
  }

  /** Tells the service the newest sealing key; without a session the next hello does. */
  async tellSealingKey(): Promise<void> {
    const session = this.#live;
    const sealingKey = this.#options.identity.sealing.statement;
    await session?.call('agent.keys', { sealingKey }, session.ended);
  }

  /**
   * Hands over again what the service may lack of the trail, which is `trail` so far: answers that
   * were lost with their session, and what nobody asked for.
   */
  catchUp(trail: Standing['trail'], session: SessionHandle): void {
    const { journal } = this.#options;
    if (trail?.epoch !== journal.epoch) return;
    journal.confirm(trail.seq);
    this.#due = [...journal.signedAfter(trail.seq)];
    void this.#report(session);
  }

  /** Hands over an outcome that nobody asked for; without a session the next welcome asks for it. */
  tellOutcome(seq: number): void {
    const session = this.#live;
    if (session === undefined) return;
    this.#due.push(seq);
    void this.#report(session);
  }

  /** One report after the other, however often the service asks: more of them would cost the session. */
  async #report(session: SessionHandle): Promise<void> {
    if (this.#reportingIn === session) return;
    this.#reportingIn = session;
    try {
      while (this.#due.length > 0 && this.#reportingIn === session) {
        const outcomes = await this.#takeWhatFits(this.#due);
        if (outcomes.length > 0) await session.call('outcome.report', { outcomes }, session.ended);
        await this.#options.clock.sleep(BETWEEN_REPORTS_MS, session.ended);
      }
    } catch (error) {
      // The next welcome or renewal says what is still missing; the journal tells of its own trouble.
      if (!PASSING.some((kind) => error instanceof kind)) throw error;
    } finally {
      if (this.#reportingIn === session) this.#reportingIn = undefined;
    }
  }

  /** What a report has room for, from the first one on, and one at least. */
  async #takeWhatFits(due: number[]): Promise<string[]> {
    const outcomes: string[] = [];
    let length = 0;
    for (const seq of due.slice(0, MAX_REPORTED)) {
      const outcome = await this.#options.journal.signed(seq);
      length += outcome?.length ?? 0;
      if (outcomes.length > 0 && length > MAX_REPORTED_LENGTH) break;
      due.shift();
      // What is forgotten since, the service has.
      if (outcome !== undefined) outcomes.push(outcome);
    }
    return outcomes;
  }

  get #live(): SessionHandle | undefined {
    return this.#session?.ended.aborted === false ? this.#session : undefined;
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.now() / 1000);
  }

  #monotonicMs(): number {
    return Math.floor(this.#options.clock.monotonic());
  }
}

/** After days apart there may be thousands: the service has other things to do as well. */
const BETWEEN_REPORTS_MS = 250;

/** Why handing over may end too soon without anything being wrong here. */
const PASSING = [RpcError, UnansweredError, JournalError];

function stateOf({ state, reasons }: StatusReport): string {
  return [state, ...reasons].join('\n');
}
