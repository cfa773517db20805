import type { AgentRecord } from '../store/records.ts';
import { ServiceError, type ServiceErrorDetails } from './service-error.ts';

/** Nobody is there to ask: says whether agents are pending, offline, or not there at all. */
export function noAgent(agents: readonly AgentRecord[]): ServiceError {
  const pending = agents.filter(({ state }) => state === 'pending').length;
  const approved = agents.filter(({ state }) => state === 'approved').length;
  return new ServiceError('NO_AGENT', whyNone(approved, pending));
}

function whyNone(approved: number, pending: number): ServiceErrorDetails {
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
  return {
    detail: 'no agent is enrolled for this directory',
    action:
      'Make a token with `passback-cloud token` and run `passback enroll` on a machine in the network.',
  };
}
