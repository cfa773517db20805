import { CLOSE_CODES, RPC_ERRORS } from '../../protocol/messages.ts';
import { RpcError } from '../../protocol/rpc.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import { importPublicKey } from '../keys/import-public-key.ts';
import type { AgentRecord } from '../store/records.ts';
import { barOf } from '../writeback/admittance.ts';
import { raiseAlarm } from '../writeback/alarm.ts';
import type { Core } from '../writeback/core.ts';
import { isHealthy } from '../writeback/routing.ts';
import { takeOutcomes } from '../writeback/take-outcomes.ts';
import { takeSealingKey } from '../writeback/sealing-key.ts';
import { announce, renewSession } from '../writeback/standing.ts';
import { remindOfPause } from '../writeback/toggle.ts';
import { acceptHello, takeHello } from './hello.ts';
import type { LinkSession, SessionDuties } from './link-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import { Spread } from './spread.ts';

/** What is done with what an agent says in its session; every statement is verified first. */
export function sessionDuties(core: Core, sessions: LiveSessions): SessionDuties {
  const spread = new Spread(core);
  return {
    hello: (session, said) => acceptHello(session, said, { core, sessions, spread }),
    renewed: async (session, said) => {
      await takeHello(session, said, core);
    },
    renew: (session) => renewSession(core, session),
    status: async (session, status) => {
      const agent = await mustFind(core, session);
      const { report, monotonicMs } = await verified(core, session, async () =>
        verifyToken('status', status, {
          key: await importPublicKey(agent.deviceKey),
          now: core.clock.now(),
          audience: core.issuer,
          issuer: agent.id,
        }),
      );
      // Repeated, one of a process before would have its clock, which may be far ahead of this one's.
      if (agent.report !== undefined && report.at < agent.report.at) return;
      session.reckon(monotonicMs);
      session.healthy = isHealthy(report);
      await core.store.agents.update(agent.id, { report, seenAt: core.clock.now() });
      await remindOfPause(core, session, report);
    },
    sealingKey: async (session, statement) => {
      const agent = await mustFind(core, session);
      const sealing = await verified(core, session, () => takeSealingKey(core, agent, statement));
      // A replay would bring an old key back. In a hello, which is bound to a nonce, any key counts.
      if (sealing.sealingSince < agent.sealingSince) {
        throw new RpcError(RPC_ERRORS.notAccepted, 'older than the key that is known', 'EXPIRED');
      }
      if (sealing.sealingKey.kid !== agent.sealingKey.kid) {
        await announce(core, { ...agent, ...sealing }); // and not to every agent what they know
      }
      await core.store.agents.update(agent.id, sealing);
    },
    outcomes: async (session, signed) => {
      const agent = await mustFind(core, session);
      await verified(core, session, () => takeOutcomes(core, agent, signed));
    },
  };
}

async function mustFind(core: Core, session: LinkSession): Promise<AgentRecord> {
  const agent = await core.store.agents.find(session.agentId);
  if (agent === undefined) throw new RpcError(RPC_ERRORS.notNow, 'no such agent', 'AGENT_REVOKED');
  const bar = barOf(agent);
  if (bar === undefined) return agent;
  throw new RpcError(RPC_ERRORS.notNow, bar.detail, bar.code);
}

/** A statement in an agent's own session that the agent did not sign means that somebody else is on it. */
async function verified<T>(core: Core, session: LinkSession, verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const { agentId: id, directory } = session;
    await raiseAlarm(core, { id, directory }, `STATEMENT_${error.code}`);
    setImmediate(() => {
      session.close(CLOSE_CODES.protocolError, 'statement not accepted');
    });
    throw new RpcError(RPC_ERRORS.notAccepted, 'the statement was not accepted', error.code);
  }
}
