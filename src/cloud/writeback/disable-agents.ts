import { CLOSE_CODES } from '../../protocol/messages.ts';
import type { AgentRecord, Disabled } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { Core } from './core.ts';
import { mustFind, mustNotBeRevoked } from './decide-agents.ts';

/**
 * Keeps an agent out until somebody enables it, and closes its session; what it had begun is as after
 * a lost one. Idempotent; another reason replaces the one before. Rejects with `ServiceError`.
 */
export async function disableAgent(
  core: Core,
  caller: Caller,
  { id, reason }: { readonly id: string; readonly reason: string },
): Promise<AgentRecord> {
  const agent = await core.store.atomically(async (store) => {
    const found = await mustFind(store, caller.directory, id);
    mustNotBeRevoked(found);
    if (saysTheSame(found.disabled, reason)) return found;
    const disabled = { at: core.clock.now(), by: caller.actor, reason };
    return change(store, { ...found, disabled }, { by: caller.actor, at: disabled.at });
  });
  core.sessions.disconnect(id, CLOSE_CODES.disabled, 'disabled');
  core.log.warn('cloud.agent_disabled', { agent: id, directory: agent.directory });
  return agent;
}

/** Lets a disabled agent in again as what it was; it dials by itself. Idempotent; rejects with `ServiceError`. */
export async function enableAgent(core: Core, caller: Caller, id: string): Promise<AgentRecord> {
  const agent = await core.store.atomically(async (store) => {
    const found = await mustFind(store, caller.directory, id);
    mustNotBeRevoked(found);
    if (found.disabled === undefined) return found;
    const enabled = { ...found, disabled: undefined };
    return change(store, enabled, { by: caller.actor, at: core.clock.now() });
  });
  core.log.info('cloud.agent_enabled', { agent: id, directory: agent.directory });
  return agent;
}

/** Who gives no reason has nothing against the one that is there. */
function saysTheSame(disabled: Disabled | undefined, reason: string): boolean {
  return disabled !== undefined && (reason === '' || reason === disabled.reason);
}

async function change(
  store: Store,
  agent: AgentRecord,
  { by, at }: Pick<Disabled, 'by' | 'at'>,
): Promise<AgentRecord> {
  const { id, directory, name, deviceKey, disabled } = agent;
  const reason = disabled?.reason ?? '';
  await store.agents.update(id, { disabled });
  await store.audit.append({
    at,
    directory,
    actor: by,
    action: disabled === undefined ? 'agent.enabled' : 'agent.disabled',
    target: id,
    detail: { name, fingerprint: deviceKey.kid, ...(reason !== '' && { reason }) },
  });
  return agent;
}
