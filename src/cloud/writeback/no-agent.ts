import type { AgentRecord } from '../store/records.ts';
import { isInService } from './admittance.ts';
import { ServiceError, type ServiceErrorDetails } from './service-error.ts';

/** Nobody is there to ask: says whether agents are pending, offline, disabled, or not there at all. */
export function noAgent(agents: readonly AgentRecord[]): ServiceError {
  return new ServiceError('NO_AGENT', whyNone(agents));
}

function whyNone(agents: readonly AgentRecord[]): ServiceErrorDetails {
  const approved = agents.filter(isInService).length;
  const isEnabled = ({ disabled }: AgentRecord): boolean => disabled === undefined;
  const pending = agents.filter((agent) => agent.state === 'pending' && isEnabled(agent)).length;
  const disabled = agents.filter((agent) => !isEnabled(agent)).length;
  if (approved > 0) {
    return {
      detail: `no agent is connected (${approved} approved, offline)`,
      action:
        'Look at the machine and the log of the agent, and at what lies between it and this service.',
    };
  }
  if (pending > 0) {
    return {
      detail: `no agent is approved (${pending} pending)`,
      action: 'Compare the fingerprint and run `passback-cloud agent approve`.',
    };
  }
  if (disabled > 0) {
    return {
      detail: `no agent is enabled (${disabled} disabled)`,
      action: 'When the reason is gone, run `passback-cloud agent enable`.',
    };
  }
  return {
    detail: 'no agent is enrolled for this directory',
    action:
      'Make a token with `passback-cloud token` and run `passback enroll` on a machine in the network.',
  };
}
