import { signedHash } from '../../protocol/canonical.ts';
import { CLOSE_CODES } from '../../protocol/messages.ts';
import { RpcError, UnansweredError } from '../../protocol/rpc.ts';
import { signToken } from '../../protocol/tokens.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type { DispatchRecord, OperationRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';
import { raiseAlarm } from './alarm.ts';
import { commandClaims } from './command-token.ts';
import type { Core } from './core.ts';
import { settle } from './settle.ts';
import { verifyOutcome } from './verify-outcome.ts';

/** A command that is neither begun nor answered this soon costs the session. */
const BEGIN_WITHIN_MS = 3_000;

/** Begin, write, and find out what became of a write that was cut off. */
const ANSWER_WITHIN_MS = 45_000;

/**
 * Hands an operation to one agent once, and writes down what came of it: its verified outcome, or
 * that there was none. Resolves either way, with the operation if that ended it; aborting `signal`
 * leaves the dispatch open.
 */
export async function dispatch(
  core: Core,
  operation: OperationRecord,
  { session, dispatches }: { session: AgentSession; dispatches: readonly DispatchRecord[] },
  signal: AbortSignal,
): Promise<OperationRecord | undefined> {
  const claims = await commandClaims(core, operation, session, dispatches);
  const command = await signToken('command', claims, core.keys.signing);
  const record: DispatchRecord = {
    jti: claims.jti,
    operation: operation.id,
    agent: session.agentId,
    session: session.id,
    token: await signedHash(command),
    at: core.clock.now(),
  };
  await core.store.operations.addDispatch(record);
  core.log.debug('cloud.operation_dispatched', { cmd: operation.id, ...idsOf(session) });
  const sending = send(core, session, { command, jti: claims.jti }, signal);
  // Whose answer it will be is looked up while the directory is at work.
  const asked = core.store.agents.find(session.agentId);
  asked.catch(() => undefined);
  const { signed, controller } = await sending;
  const agent = signed === undefined ? undefined : await asked;
  const outcome =
    signed === undefined || agent === undefined
      ? undefined
      : await verifyOutcome(signed, {
          agent,
          key: await core.deviceKeys.get(agent.deviceKey),
          claims,
          token: record.token,
          dispatches,
          now: core.clock.now(),
        });
  if (signed !== undefined && outcome !== undefined) {
    return settle(core, operation, { dispatch: record, earlier: dispatches, outcome, signed });
  }
  if (signed !== undefined && agent !== undefined) {
    await raiseAlarm(core, agent, 'OUTCOME_NOT_AUTHENTIC');
    session.close(CLOSE_CODES.protocolError, 'outcome not accepted');
  }
  await core.store.operations.updateDispatch(record.jti, {
    lostAt: core.clock.now(),
    ...(controller !== undefined && { controller }),
  });
  return undefined;
}

interface Sent {
  /** The answer as it came; undefined when none did. */
  readonly signed?: string;
  readonly controller?: string;
}

async function send(
  core: Core,
  session: AgentSession,
  { command, jti }: { readonly command: string; readonly jti: string },
  signal: AbortSignal,
): Promise<Sent> {
  let controller: string | undefined;
  const alive = new AbortController();
  const onBegan = (dc: string | undefined): void => {
    controller = dc;
    alive.abort();
  };
  void core.clock.sleep(BEGIN_WITHIN_MS, alive.signal).then(() => {
    if (alive.signal.aborted) return;
    core.log.warn('cloud.link_down', {
      ...idsOf(session),
      reason: 'a command was not begun in time',
    });
    session.close(CLOSE_CODES.protocolError, 'a command was not begun in time');
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
    alive.abort();
  }
}

function idsOf({ agentId, id }: AgentSession): {
  readonly agent: string;
  readonly session: string;
} {
  return { agent: agentId, session: id };
}
