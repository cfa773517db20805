import { CLOSE_CODES } from '../../protocol/messages.ts';
import { MAX_RECIPIENTS } from '../../protocol/sealed.ts';
import type { AgentRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { Core } from './core.ts';
import { ServiceError } from './service-error.ts';
import { announce, renewSession } from './standing.ts';

/**
 * Lets a pending agent work from now on, in the session it has. The caller names the fingerprint
 * that a person compared. Idempotent; rejects with `ServiceError`.
 */
export async function approveAgent(
  core: Core,
  caller: Caller,
  { id, fingerprint }: { readonly id: string; readonly fingerprint: string },
): Promise<AgentRecord> {
  const candidate = await mustBeApprovable(core.store, caller.directory, { id, fingerprint });
  // Once the approval is stored, secrets are sealed to this agent: the others have to know its key.
  await announce(core, { ...candidate, state: 'approved' });
  const agent = await core.store.atomically(async (store) => {
    const found = await mustBeApprovable(store, caller.directory, { id, fingerprint });
    if (found.state === 'approved') return found;
    await refuseTooMany(store, caller.directory);
    return decide(core, store, { caller, agent: found, state: 'approved' });
  });
  core.sessions.approve(id);
  const session = core.sessions.find(id);
  if (session !== undefined) await renewSession(core, session);
  core.log.info('cloud.agent_approved', { agent: id, directory: agent.directory });
  return agent;
}

/** Ends an agent's part for good and closes its session; its public keys stay for old outcomes. Idempotent. */
export async function revokeAgent(core: Core, caller: Caller, id: string): Promise<AgentRecord> {
  const agent = await core.store.atomically(async (store) => {
    const found = await mustFind(store, caller.directory, id);
    if (found.state === 'revoked') return found;
    return decide(core, store, { caller, agent: found, state: 'revoked' });
  });
  core.sessions.disconnect(id, CLOSE_CODES.revoked, 'revoked');
  core.log.warn('cloud.agent_revoked', { agent: id, directory: agent.directory });
  return agent;
}

async function mustBeApprovable(
  store: Store,
  directory: string,
  { id, fingerprint }: { readonly id: string; readonly fingerprint: string },
): Promise<AgentRecord> {
  const agent = await mustFind(store, directory, id);
  if (agent.deviceKey.kid !== fingerprint) {
    throw new ServiceError('WRONG_FINGERPRINT', {
      detail: 'the fingerprint is not the one of this agent',
    });
  }
  mustNotBeRevoked(agent);
  if (agent.disabled === undefined) return agent;
  throw new ServiceError('AGENT_DISABLED', { detail: 'this agent is disabled' });
}

export async function mustFind(store: Store, directory: string, id: string): Promise<AgentRecord> {
  const agent = await store.agents.find(id);
  if (agent?.directory === directory) return agent;
  throw new ServiceError('UNKNOWN_AGENT', {
    detail: 'there is no such agent',
  });
}

export function mustNotBeRevoked({ state }: AgentRecord): void {
  if (state !== 'revoked') return;
  throw new ServiceError('AGENT_REVOKED', { detail: 'this agent was revoked' });
}

/** Disabled ones keep their place, so that nothing stands in the way of enabling them. */
async function refuseTooMany(store: Store, directory: string): Promise<void> {
  await store.directories.find(directory); // approvals of one directory come one after the other
  const agents = await store.agents.list(directory);
  if (agents.filter(({ state }) => state === 'approved').length < MAX_RECIPIENTS) return;
  throw new ServiceError('TOO_MANY_AGENTS', {
    detail: `a directory has at most ${MAX_RECIPIENTS} approved agents`,
  });
}

async function decide(
  core: Core,
  store: Store,
  decision: {
    readonly caller: Caller;
    readonly agent: AgentRecord;
    readonly state: 'approved' | 'revoked';
  },
): Promise<AgentRecord> {
  const { caller, agent, state } = decision;
  // Whoever is approved is not disabled, and whoever is revoked is kept out anyway.
  const change = {
    state,
    decidedAt: core.clock.now(),
    decidedBy: caller.actor,
    disabled: undefined,
  };
  await store.agents.update(agent.id, change);
  await store.audit.append({
    at: change.decidedAt,
    directory: agent.directory,
    actor: caller.actor,
    action: `agent.${state}`,
    target: agent.id,
    detail: { name: agent.name, fingerprint: agent.deviceKey.kid },
  });
  return { ...agent, ...change };
}
