import type { AgentRecord } from '../store/records.ts';
import type { Core } from './core.ts';

/** Something that an honest agent does not do: a person has to look. Goes to the log and the audit. */
export async function raiseAlarm(
  { store, log, clock }: Pick<Core, 'store' | 'log' | 'clock'>,
  agent: Pick<AgentRecord, 'id' | 'directory'>,
  alarm: string,
  cmd?: string,
): Promise<void> {
  log.error('cloud.agent_alarm', { agent: agent.id, directory: agent.directory, alarm });
  await store.audit.append({
    at: clock.now(),
    directory: agent.directory,
    actor: 'passback-cloud',
    action: 'agent.alarm',
    target: agent.id,
    detail: { alarm, ...(cmd !== undefined && { cmd }) },
  });
}
