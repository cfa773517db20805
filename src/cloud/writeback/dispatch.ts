import { signedHash } from '../../protocol/digest.ts';
import { MAX_KNOWN_PASSWORDS_SET, type CommandClaims } from '../../protocol/command.ts';
import { CLOSE_CODES } from '../../protocol/messages.ts';
import { RpcError, UnansweredError } from '../../protocol/rpc.ts';
import type { SealedSecret } from '../../protocol/sealed.ts';
import { signToken } from '../../protocol/tokens.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type { DispatchRecord, OperationRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';
import { raiseAlarm } from './alarm.ts';
import { commandClaims } from './command-token.ts';
import type { Core } from './core.ts';
import { openDispatches } from './dispatch-plan.ts';
import { verifyOutcome } from './verify-outcome.ts';

/** A command that is neither begun nor answered this soon costs the session. */
const BEGIN_WITHIN_MS = 3_000;

/** Without a reason of its own each abort makes an error with a stack, and there is one for every command. */
const ALIVE = 'alive';

/** Begin, write, and find out what became of a write that was cut off. */
const ANSWER_WITHIN_MS = 45_000;

/** One handing-over of an operation to one agent. */
export interface Dispatch {
  readonly session: AgentSession;
  readonly claims: CommandClaims;
  readonly command: string;
  readonly record: DispatchRecord;
  /** What was handed over before it, oldest first. */
  readonly earlier: readonly DispatchRecord[];
}

/** Makes and signs a dispatch. Its record has to be durable before `carryOut`: an agent may have what was sent. */
export async function makeDispatch(
  core: Core,
  operation: OperationRecord,
  to: Pick<Dispatch, 'session' | 'earlier'> & { readonly secret: SealedSecret | undefined },
): Promise<Dispatch> {
  const { session, earlier } = to;
  const knownPwdLastSet = earlier.length > 0 ? await setByOthers(core, operation) : [];
  const claims = commandClaims(core, operation, { ...to, knownPwdLastSet });
  const command = await signToken('command', claims, core.keys.signing);
  const record: DispatchRecord = {
    jti: claims.jti,
    operation: operation.id,
    agent: session.agentId,
    session: session.id,
    token: signedHash(command),
    // Their order is told by their times, and another node's clock may have made the earlier ones.
    at: Math.max(core.clock.now(), (earlier.at(-1)?.at ?? -1) + 1),
  };
  return { session, claims, command, record, earlier };
}

/** The baseline was read this long before the operation was stored, at the most. */
const PREPARED_WITHIN_MS = 60_000;

/**
 * What other operations have left in `pwdLastSet` since the baseline. The next operation on an
 * account begins right after the one before: by time alone, the write of that one could be taken for
 * what an unanswered dispatch of this one did.
 */
async function setByOthers(
  { store }: Core,
  operation: OperationRecord,
): Promise<readonly string[]> {
  const since = operation.createdAt - PREPARED_WITHIN_MS;
  const applied = await store.operations.applied(operation, since, MAX_KNOWN_PASSWORDS_SET);
  const before = operation.baseline.pwdLastSet;
  return applied.flatMap(({ outcome }) => {
    const { passwordSet, pwdLastSet } = outcome?.effect ?? {};
    const isNews = passwordSet === true && pwdLastSet !== undefined && pwdLastSet !== before;
    return isNews ? [pwdLastSet] : [];
  });
}

/**
 * Hands a dispatch to its agent, and writes down what came of it: its verified outcome, or that
 * there was none. Resolves either way, with the operation if that ended it; aborting `signal`
 * leaves the dispatch open. An agent that has said goodbye since is not handed it at all.
 */
export async function carryOut(
  core: Core,
  operation: OperationRecord,
  dispatch: Dispatch,
  signal: AbortSignal,
): Promise<OperationRecord | undefined> {
  const { session, record } = dispatch;
  if (session.leaving && isFirstAt(dispatch)) {
    await core.store.operations.updateDispatch(record.jti, {
      answeredAt: core.clock.now(),
      code: 'DRAINING',
    });
    return undefined;
  }
  core.log.debug('cloud.operation_dispatched', { cmd: operation.id, ...idsOf(session) });
  if (session.node !== undefined) return core.relay.follow(operation, dispatch, signal);
  const startedAt = core.clock.monotonic();
  const { signed, controller } = await send(core, dispatch, signal);
  core.meters.dispatched(signed !== undefined, (core.clock.monotonic() - startedAt) / 1000);
  if (signed !== undefined) {
    const outcome = await verifyOutcome(signed, {
      dispatch,
      key: await core.deviceKeys.get(session.deviceKey),
      now: core.clock.now(),
    });
    if (outcome !== undefined) {
      const ended = await core.answers.run({ operation, dispatch, outcome, signed });
      if (ended !== undefined) core.relay.announce(ended.id);
      return ended;
    }
    const { agentId: id, directory } = session;
    await raiseAlarm(core, { id, directory }, 'OUTCOME_NOT_AUTHENTIC');
    session.close(CLOSE_CODES.protocolError, 'outcome not accepted');
  }
  await core.store.operations.updateDispatch(record.jti, {
    lostAt: core.clock.now(),
    ...(controller !== undefined && { controller }),
  });
  return undefined;
}

/**
 * Whether the agent has nothing of this operation that it left unanswered: an answer, also one that
 * was given for it, says what became of all that it was handed before.
 */
function isFirstAt({ record, earlier }: Dispatch): boolean {
  return openDispatches(earlier).every(({ agent }) => agent !== record.agent);
}

interface Sent {
  /** The answer as it came; undefined when none did. */
  readonly signed?: string;
  readonly controller?: string;
}

async function send(
  core: Core,
  { session, command, claims: { jti } }: Dispatch,
  signal: AbortSignal,
): Promise<Sent> {
  let controller: string | undefined;
  const alive = new AbortController();
  const onBegan = (dc: string | undefined): void => {
    controller = dc;
    alive.abort(ALIVE);
  };
  void core.clock.sleep(BEGIN_WITHIN_MS, alive.signal).then(() => {
    if (alive.signal.aborted) return;
    core.log.warn('cloud.link_down', {
      ...idsOf(session),
      reason: 'a command was not begun in time',
    });
    session.close(CLOSE_CODES.tooSlow, 'a command was not begun in time');
  });
  try {
    const signed = await withDeadline(ANSWER_WITHIN_MS, signal, (within) =>
      session.execute({ command, jti, onBegan }, within),
    );
    return { signed };
  } catch (error) {
    if (!(error instanceof UnansweredError) && !(error instanceof RpcError)) throw error;
    if (!signal.aborted && !session.closed.aborted) {
      const reason = error instanceof RpcError ? error.code : 'a command was not answered in time';
      core.log.warn('cloud.link_refused', { ...idsOf(session), reason });
    }
    return controller === undefined ? {} : { controller };
  } finally {
    alive.abort(ALIVE);
  }
}

function idsOf({ agentId, id }: AgentSession): {
  readonly agent: string;
  readonly session: string;
} {
  return { agent: agentId, session: id };
}
