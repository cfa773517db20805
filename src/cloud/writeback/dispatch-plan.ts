import { factsOf } from '../../protocol/codes.ts';
import { START_WITHIN_MS, WRITE_WITHIN_MS } from '../../protocol/command.ts';
import type { DispatchRecord, Moment, OperationRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';

/** An agent that lost its session may still begin, and then write: only after that may another one. */
export const FENCE_MS = START_WITHIN_MS + WRITE_WITHIN_MS + 2_000;

/** How long after its time an operation of unknown outcome is asked about. */
export const LATE_MS = 60 * 60_000;

const BACKOFF_STEP_MS = 1_000;
const BACKOFF_CAP_MS = 5_000;

export type Step =
  | { readonly type: 'dispatch'; readonly session: AgentSession }
  /** Nothing to do for this long, unless agents come or go. */
  | { readonly type: 'wait'; readonly ms: number }
  /** Decided by this dispatch's answer; undefined: never handed to an agent. */
  | { readonly type: 'end'; readonly by: DispatchRecord | undefined }
  /** Some dispatch was never answered and its time is over; `final` when nobody is asked any more. */
  | { readonly type: 'unknown'; readonly final: boolean };

export interface Situation {
  readonly operation: Pick<OperationRecord, 'notAfter' | 'state' | 'recipients' | 'op'>;
  /** Oldest first. */
  readonly dispatches: readonly DispatchRecord[];
  /** In the order in which they own the account. */
  readonly candidates: readonly AgentSession[];
  readonly now: Moment;
}

/** What to do next with an operation; DESIGN's rules of "exactly once" for the service. Pure. */
export function plan(situation: Situation): Step {
  const { operation, dispatches, now } = situation;
  const open = openDispatches(dispatches);
  const decided = dispatches.findLast(isDecided);
  if (decided !== undefined && (decided.code === 'APPLIED' || open.length === 0)) {
    return { type: 'end', by: decided };
  }
  // A refusal by one agent decides nothing while another one may have written.
  if (decided !== undefined || now >= operation.notAfter) return planLate(situation, open);
  return dispatchOrWait(situation, open, operation.notAfter);
}

/** Handed over and never answered: a later answer of the same agent covers its earlier dispatches. */
export function openDispatches(dispatches: readonly DispatchRecord[]): readonly DispatchRecord[] {
  return dispatches.filter(
    ({ agent, answeredAt }, index) =>
      answeredAt === undefined &&
      !dispatches.some(
        (later, at) => at > index && later.agent === agent && later.answeredAt !== undefined,
      ),
  );
}

function isDecided({ code }: DispatchRecord): boolean {
  return code !== undefined && factsOf(code).redispatch !== true;
}

function planLate(situation: Situation, open: readonly DispatchRecord[]): Step {
  const { operation, dispatches, now } = situation;
  if (open.length === 0) {
    return { type: 'end', by: dispatches.findLast(({ code }) => code !== undefined) };
  }
  const until = operation.notAfter + LATE_MS;
  if (now >= until) return { type: 'unknown', final: true };
  if (operation.state !== 'unknown' && now >= operation.notAfter) {
    return { type: 'unknown', final: false };
  }
  const asked = new Set(open.map(({ agent }) => agent));
  const candidates = situation.candidates.filter(({ agentId }) => asked.has(agentId));
  const bound = now < operation.notAfter ? operation.notAfter : until;
  return dispatchOrWait({ ...situation, candidates }, open, bound);
}

function dispatchOrWait(
  { operation, dispatches, candidates, now }: Situation,
  open: readonly DispatchRecord[],
  until: Moment,
): Step {
  const last = open.at(-1)?.agent;
  const options = candidates
    .filter(({ agentId }) => isRecipient(operation, agentId))
    .map((session) => ({
      session,
      readyAt: readyAt(session, dispatches, open),
      isLast: session.agentId === last,
      refusals: refusalsOf(session.agentId, dispatches).length,
    }));
  const ready = options
    .filter((option) => option.readyAt <= now)
    .sort((a, b) => Number(b.isLast) - Number(a.isLast) || a.refusals - b.refusals);
  if (ready[0] !== undefined) return { type: 'dispatch', session: ready[0].session };
  const next = Math.min(until, ...options.map((option) => option.readyAt));
  return { type: 'wait', ms: Math.max(1, next - now) };
}

/** From when on an agent may get the operation: fenced off from other agents, and after a pause from its own refusals. */
function readyAt(
  { agentId, id }: AgentSession,
  dispatches: readonly DispatchRecord[],
  open: readonly DispatchRecord[],
): Moment {
  const fences = open
    .filter(({ agent }) => agent !== agentId)
    .map(({ lostAt }) => (lostAt ?? Number.POSITIVE_INFINITY) + FENCE_MS);
  // Whoever was stopping is back.
  const refusals = refusalsOf(agentId, dispatches).filter(
    ({ code, session }) => code !== 'DRAINING' || session === id,
  );
  const backoffs = refusals
    .slice(-1)
    .map(({ answeredAt = 0 }) => answeredAt + backoffMs(refusals.length));
  // In the session that left it unanswered, asking again at once would give the same.
  const unanswered = open.filter(({ session }) => session === id);
  const pauses = unanswered
    .slice(-1)
    .map(({ lostAt = 0 }) => lostAt + backoffMs(unanswered.length));
  return Math.max(0, ...fences, ...backoffs, ...pauses);
}

function refusalsOf(
  agentId: string,
  dispatches: readonly DispatchRecord[],
): readonly DispatchRecord[] {
  return dispatches.filter(({ agent, code }) => agent === agentId && code !== undefined);
}

function backoffMs(times: number): number {
  return Math.min(BACKOFF_CAP_MS, BACKOFF_STEP_MS * times);
}

function isRecipient({ recipients }: Situation['operation'], agentId: string): boolean {
  return recipients.some(({ agent }) => agent === agentId);
}
